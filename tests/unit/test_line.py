import threading
import time

from llm_engineering.serving.line import Line


def test_who_waits_longest_is_next_even_if_the_one_that_gave_back_asks_again_at_once() -> None:
    line: Line[str] = Line()
    line.give("process")
    mine = line.take()
    order: list[int] = []

    def work(number: int) -> None:
        thing = line.take()
        order.append(number)
        line.give(thing)

    waiting = []
    for number in range(5):
        waiting.append(threading.Thread(target=work, args=(number,)))
        waiting[-1].start()
        while line.waiting <= number:
            time.sleep(0.001)
    line.give(mine)
    again = line.take()
    order.append(5)
    line.give(again)
    for thread in waiting:
        thread.join()
    assert order == [0, 1, 2, 3, 4, 5]


def test_what_is_given_while_nobody_waits_is_taken_in_the_order_it_came() -> None:
    line: Line[int] = Line()
    for number in range(3):
        line.give(number)
    assert [line.take() for _ in range(3)] == [0, 1, 2]
