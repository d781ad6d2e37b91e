import threading
import time
from collections.abc import Iterator

import pytest

from llm_engineering.infrastructure.sources.ahead import in_order


def test_results_come_in_the_order_of_the_items_whatever_takes_longest() -> None:
    def slow(number: int) -> int:
        time.sleep(0.02 * (number % 3 == 0))
        return number

    assert list(in_order(slow, range(40), 4)) == list(range(40))


def test_several_items_are_worked_on_at_once() -> None:
    together = threading.Barrier(3, timeout=30)
    assert list(in_order(lambda _: together.wait() >= 0, range(3), 3)) == [True] * 3


def test_no_more_than_a_few_items_are_taken_ahead() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(1_000):
            taken.append(number)
            yield number

    results = in_order(lambda number: number, items(), 2)
    assert next(results) == 0
    assert len(taken) < 20
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 20


def test_an_error_comes_in_its_place_and_ends_the_work() -> None:
    def work(number: int) -> int:
        if number == 5:
            raise ValueError("five")
        return number

    results = in_order(work, range(100), 2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(results)
