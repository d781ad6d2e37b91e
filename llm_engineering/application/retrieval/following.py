"""Follow what is published: new searches get the newest version, those under way keep theirs to their end."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from loguru import logger

from llm_engineering.domain.errors import BackendError, LLMEngineeringError

T = TypeVar("T")


@dataclass
class _Held(Generic[T]):
    """Something opened, how many use it, and whether it is to be closed after the last of them."""

    publication: str
    value: T
    closing: AbstractContextManager[T]
    users: int = 0
    retired: bool = False


class Following(Generic[T]):
    """Holds what `open` opens, and opens it again when `publication` says something new.

    The new one is opened beside the old one; searches are switched when it is ready, so none waits and none fails. A
    new one that cannot be opened is logged and tried again; the old one stays. Safe to use from several threads.
    """

    def __init__(
        self, publication: Callable[[], str], open: Callable[[], AbstractContextManager[T]], every: float | None = 1.0
    ) -> None:
        """Open nothing yet. `every` is how often to look, in seconds; None: never again after the first opening."""
        self._publication = publication
        self._open = open
        self._every = every
        self._lock = Lock()  # over the fields: held for moments
        self._opening = Lock()  # one opens at a time: held for as long as that takes
        self._current: _Held[T] | None = None
        self._closed = Event()
        self._thread: Thread | None = None
        self._complained = ""

    @contextmanager
    def borrow(self) -> Iterator[T]:
        """Yield what is current, which stays open and the same to the end of the block.

        Raises:
            UsageError: nothing was published yet, or it cannot be opened with these settings.
            BackendError: the store failed, or this was closed.
        """
        held = self._taken()
        try:
            yield held.value
        finally:
            self._give_back(held)

    @property
    def publication(self) -> str:
        """Which publication the next search sees."""
        held = self._taken()
        self._give_back(held)
        return held.publication

    def look(self) -> bool:
        """Look for a newer publication now, and switch to it; return whether there was one."""
        with self._opening:
            current = self._current
            if self._closed.is_set() or current is None or self._publication() == current.publication:
                return False
            self._switch()
            return True

    def close(self) -> None:
        """Close what is open when its last user has ended. It can be repeated."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
        with self._opening:
            self._replace(None)

    def _taken(self) -> "_Held[T]":
        while True:
            with self._lock:
                if self._current is not None:
                    self._current.users += 1
                    return self._current
            with self._opening:
                if self._closed.is_set():
                    raise BackendError("the search was closed")
                if self._current is None:
                    self._switch()
                    self._watch()

    def _give_back(self, held: "_Held[T]") -> None:
        with self._lock:
            held.users -= 1
            over = held.retired and not held.users
        if over:
            _close(held)

    def _switch(self) -> None:
        """Open what is published now and make it current. What is published meanwhile is found at the next look."""
        publication = self._publication()
        closing = self._open()
        self._replace(_Held(publication, closing.__enter__(), closing))

    def _replace(self, held: "_Held[T] | None") -> None:
        with self._lock:
            old, self._current = self._current, held
            if old is not None:
                old.retired = True
            over = old is not None and not old.users
        if old is not None and over:
            _close(old)

    def _watch(self) -> None:
        if self._every is not None and self._thread is None:
            self._thread = Thread(target=self._keep_looking, args=(self._every,), name="follow-index", daemon=True)
            self._thread.start()

    def _keep_looking(self, every: float) -> None:
        while not self._closed.wait(every):
            try:
                if self.look():
                    logger.info(
                        "searches see publication {!r} from now on", self._current and self._current.publication
                    )
                self._complained = ""
            except LLMEngineeringError as error:
                if str(error) != self._complained:  # once, not every second
                    logger.warning("what was published cannot be opened, the version before it stays: {}", error)
                self._complained = str(error)
            except Exception:  # noqa: BLE001 - see below
                # A thread that died here would leave searches at an old version for ever, without a word.
                logger.exception("looking for a new publication failed; it is tried again")


def _close(held: "_Held[T]") -> None:
    try:
        held.closing.__exit__(None, None, None)
    except LLMEngineeringError as error:
        logger.warning("publication {!r} was not closed properly: {}", held.publication, error)
