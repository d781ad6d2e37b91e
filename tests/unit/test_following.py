"""Following what is published: nobody waits, nobody fails, nothing is closed under a user."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from llm_engineering.application.retrieval.following import Following
from llm_engineering.domain.errors import BackendError, UsageError


class Publisher:
    """Publishes numbers; knows which of them are open."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.open: list[int] = []
        self.opened: list[int] = []
        self.refuses: set[int] = set()

    def publication(self) -> str:
        return str(self.number)

    @contextmanager
    def opening(self) -> Iterator[int]:
        number = self.number
        if number in self.refuses:
            raise UsageError(f"{number} cannot be opened")
        self.open.append(number)
        self.opened.append(number)
        yield number
        self.open.remove(number)


def following(publisher: Publisher, every: float | None = None) -> Following[int]:
    return Following(publisher.publication, publisher.opening, every)


def test_nothing_is_opened_before_it_is_used_and_once_for_all() -> None:
    publisher = Publisher()
    follower = following(publisher)
    assert publisher.opened == []
    for _ in range(3):
        with follower.borrow() as number:
            assert number == 1
    assert (publisher.opened, publisher.open, follower.publication) == ([1], [1], "1")
    follower.close()
    follower.close()
    assert publisher.open == []
    with pytest.raises(BackendError, match="closed"), follower.borrow():
        pass


def test_a_user_keeps_what_it_has_to_its_end() -> None:
    publisher = Publisher()
    follower = following(publisher)
    with follower.borrow() as first:
        publisher.number = 2
        assert follower.look()
        assert not follower.look()
        with follower.borrow() as second:
            assert (first, second, publisher.open) == (1, 2, [1, 2])
        assert publisher.open == [1, 2]
    assert publisher.open == [2]
    follower.close()


def test_what_is_used_at_the_close_is_closed_by_its_last_user() -> None:
    publisher = Publisher()
    follower = following(publisher)
    with follower.borrow():
        follower.close()
        assert publisher.open == [1]
    assert publisher.open == []


def test_what_cannot_be_opened_leaves_the_old_one_and_is_tried_again() -> None:
    publisher = Publisher()
    publisher.refuses = {1, 2}
    follower = following(publisher, every=0.05)
    with pytest.raises(UsageError, match="1 cannot be opened"), follower.borrow():
        pass
    publisher.refuses = {2}
    assert follower.publication == "1"
    publisher.number = 2
    time.sleep(0.3)
    assert follower.publication == "1"
    publisher.refuses = set()
    deadline = time.monotonic() + 30
    while follower.publication != "2" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (follower.publication, publisher.open) == ("2", [2])
    follower.close()


def test_many_threads_see_each_number_open() -> None:
    publisher = Publisher()
    follower = following(publisher, every=0.01)
    wrong: list[int] = []
    stop = Event()

    def use() -> None:
        while not stop.is_set():
            with follower.borrow() as number:
                if number not in publisher.open:
                    wrong.append(number)

    threads = [Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(2, 40):
        publisher.number = number
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    follower.close()
    assert (wrong, publisher.open) == ([], [])
    assert len(publisher.opened) > 5
