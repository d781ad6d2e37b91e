"""A line of calls: in turn, some of them together, and all told when what serves them breaks down."""

import threading
import time

import pytest

from llm_engineering.serving.line import Line, Turn

WAIT = 30.0


class Callers:
    """Calls in threads of their own, numbered; what each was given, in the order in which it was its turn."""

    def __init__(self, line: "Line[str, int]") -> None:
        self.line = line
        self.turns: list[tuple[int, str | None, tuple[int, ...]]] = []
        self.threads: list[threading.Thread] = []

    def stand_in_line(self, count: int, *, alone: tuple[int, ...] = (), breaks: int = -1) -> None:
        """Let calls come one after the other; the one that `breaks` finds its server broken."""

        def call(number: int) -> None:
            turn = self.line.take(number, alone=number in alone)
            self.turns.append((number, turn.server, tuple(turn.calls)))
            if number == breaks:
                turn.break_off()
            elif turn.server is not None:
                turn.pass_on()

        for number in range(count):
            self.threads.append(threading.Thread(target=call, args=(number,)))
            self.threads[-1].start()
            while self.line.waiting <= number:
                time.sleep(0.001)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(WAIT)


def busy(servers: int = 1, together: int = 1) -> tuple["Line[str, int]", "Turn[str, int]"]:
    """Return a line of one server that serves somebody."""
    line: Line[str, int] = Line(servers, together)
    line.give("process")
    return line, line.take(-1)


def test_who_waits_longest_is_next_even_if_the_one_that_gave_back_asks_again_at_once() -> None:
    line, mine = busy()
    callers = Callers(line)
    callers.stand_in_line(5)
    mine.pass_on()
    again = line.take(5)
    callers.turns.append((5, again.server, tuple(again.calls)))
    again.pass_on()
    callers.join()
    assert callers.turns == [(number, "process", (number,)) for number in range(6)]


def test_what_is_given_while_nobody_waits_is_taken_in_the_order_it_came() -> None:
    line: Line[int, str] = Line()
    for number in range(3):
        line.give(number)
    assert [line.take("call").server for _ in range(3)] == [0, 1, 2]


def test_those_who_wait_are_served_together_each_in_its_turn_and_the_first_hands_in_the_calls_of_all() -> None:
    line, mine = busy(together=3)
    callers = Callers(line)
    callers.stand_in_line(5)
    mine.pass_on()
    callers.join()
    handed_in = [(0, 1, 2), (), (), (3, 4), ()]
    assert callers.turns == [(number, "process", calls) for number, calls in enumerate(handed_in)]
    assert line.waiting == 0


@pytest.mark.parametrize(("servers", "first"), [(1, 4), (2, 2), (3, 2), (4, 1), (9, 1)])
def test_no_server_takes_calls_that_another_could_serve_at_the_same_time(servers: int, first: int) -> None:
    line, mine = busy(servers, together=9)
    callers = Callers(line)
    callers.stand_in_line(4)
    mine.pass_on()
    callers.join()
    assert callers.turns[0] == (0, "process", tuple(range(first)))


def test_who_has_to_be_alone_is_served_alone() -> None:
    line, mine = busy(together=9)
    callers = Callers(line)
    callers.stand_in_line(5, alone=(2,))
    mine.pass_on()
    callers.join()
    assert [calls for _, _, calls in callers.turns if calls] == [(0, 1), (2,), (3, 4)]


def test_when_a_server_breaks_down_those_who_were_to_be_served_after_it_are_told_and_the_others_wait() -> None:
    line, mine = busy(together=3)
    callers = Callers(line)
    callers.stand_in_line(4, breaks=0)
    mine.pass_on()
    for thread in callers.threads[:3]:
        thread.join(WAIT)
    assert sorted(callers.turns) == [(0, "process", (0, 1, 2)), (1, None, ()), (2, None, ())]
    assert line.waiting == 1
    line.give("another")
    callers.join()
    assert callers.turns[-1] == (3, "another", (3,))
