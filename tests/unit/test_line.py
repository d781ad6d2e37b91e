"""A line of calls: in turn, some of them together, those that come back first and alone."""

import threading

import pytest

from llm_engineering.serving.line import Line

WAIT = 30.0


def line_of(count: int, servers: int = 1, together: int = 1) -> "Line[int]":
    line: Line[int] = Line(servers, together)
    for number in range(count):
        assert line.put(number)
    return line


def taken(line: "Line[int]", times: int = 1) -> list[list[int]]:
    """Return the numbers that were taken each time."""
    return [[waiting.item for waiting in line.take()] for _ in range(times)]


def test_who_waits_longest_is_next() -> None:
    line = line_of(3)
    assert taken(line) == [[0]]
    assert line.put(3)
    assert taken(line, 3) == [[1], [2], [3]]


def test_those_who_wait_are_served_together() -> None:
    line = line_of(5, together=3)
    assert taken(line, 2) == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize(("servers", "first"), [(1, 4), (2, 2), (3, 2), (4, 1), (9, 1)])
def test_no_server_takes_calls_that_another_could_serve_at_the_same_time(servers: int, first: int) -> None:
    assert taken(line_of(4, servers, together=9)) == [list(range(first))]


def test_those_who_are_put_back_are_next_in_their_order_and_each_alone() -> None:
    line = line_of(6, together=3)
    broken = line.take()
    assert [waiting.alone for waiting in broken] == [False] * 3
    assert line.put_back(broken[1:])
    again = line.take()
    assert [(waiting.item, waiting.alone) for waiting in again] == [(1, True)]
    assert taken(line, 2) == [[2], [3, 4, 5]]


def test_who_waits_for_calls_gets_one_that_comes() -> None:
    line, got = line_of(0, servers=2), []
    servers = [threading.Thread(target=lambda: got.extend(line.take())) for _ in range(2)]
    for server in servers:
        server.start()
    for number in range(2):
        line.put(number)
    for server in servers:
        server.join(WAIT)
    assert sorted(waiting.item for waiting in got) == [0, 1]


def test_a_line_that_is_closed_takes_and_gives_nothing_and_wakes_those_who_wait_for_calls() -> None:
    line, got = line_of(0), []
    server = threading.Thread(target=lambda: got.append(line.take()))
    server.start()
    assert line.close() == []
    server.join(WAIT)
    assert got == [()]
    assert not line.put(1)
    line = line_of(3)
    held = line.take()
    assert line.close() == [1, 2]
    assert line.closed
    assert not line.put_back(held)
    assert line.take() == ()
    assert line.close() == []
