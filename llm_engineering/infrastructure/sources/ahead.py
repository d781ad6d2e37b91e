"""Work on items ahead of whoever takes them, several at once, in their order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Results that wait for each worker: what the others have done while one takes its time.
_AHEAD = 4


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yield the results of the items in their order, a bounded number of them made ahead in threads.

    The items are taken in the caller's thread. An error of the work is raised in its place; what is ahead of it is
    given up then, and when the caller stops.

    >>> list(in_order(len, ["a", "bc"], 2))
    [1, 2]
    """
    if workers == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, "read") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
