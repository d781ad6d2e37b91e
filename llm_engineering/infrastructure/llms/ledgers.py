"""What was taken of the budgets of a day: in memory, or in a file that outlives this process and that others share."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loguru import logger

from llm_engineering.infrastructure.vector_stores.locks import lock

FILE = "budgets.json"
# The lock is held for a fraction of a millisecond; whoever does not get it for so long goes on without it.
_PATIENCE = 2.0
_PAUSE = 0.002


@dataclass(frozen=True, slots=True)
class Taken:
    """Tokens and US dollars that were spent or are set aside."""

    tokens: int = 0
    dollars: float = 0.0

    def more(self, tokens: int, dollars: float) -> "Taken":
        """Return this and so much more, or less; never less than nothing."""
        return Taken(max(0, self.tokens + tokens), max(0.0, self.dollars + dollars))


Change = Callable[[Taken], Taken]


class Ledger(Protocol):
    """Holds what is taken of one budget."""

    def change(self, period: str, change: Change) -> None:
        """Replace what is taken of a period by what `change` makes of it; nobody else does in between. If it raises,
        nothing is changed."""
        ...


class MemoryLedger:
    """Holds it in this process."""

    def __init__(self) -> None:
        self._taken: dict[str, Taken] = {}
        self._lock = threading.Lock()

    def change(self, period: str, change: Change) -> None:
        with self._lock:
            self._taken = {period: change(self._taken.get(period, Taken()))}


class FileLedger:
    """Holds it in a file of the home, for all processes of this machine. Only one day is kept.

    A process that is killed leaves what it had set aside as if it were spent: at most the calls that were under way. If
    the file cannot be read or written, this process goes on by itself and says so once.
    """

    def __init__(self, home: Path, name: str) -> None:
        self._file = home / FILE
        self._name = name
        self._alone = MemoryLedger()
        self._warned = False

    def change(self, period: str, change: Change) -> None:
        made: list[Taken] = []

        def noted(taken: Taken) -> Taken:
            made.append(change(taken))
            return made[-1]

        try:
            with _locked(self._file.with_suffix(".lock")):
                known = self._read(period)
                known[self._name] = noted(known.get(self._name, Taken()))
                self._write(period, known)
        except OSError as error:
            if not self._warned:
                logger.warning("budgets cannot be kept in {} ({}); this process counts alone", self._file, error)
                self._warned = True
            self._alone.change(period, (lambda _: made[-1]) if made else change)
        else:
            self._alone.change(period, lambda _: made[-1])

    def _read(self, period: str) -> dict[str, Taken]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["day"] != period:
                return {}
            return {str(name): Taken(int(one["tokens"]), float(one["dollars"])) for name, one in kept["models"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError):
            logger.warning("{} is damaged; the budgets of {} are counted from nothing", self._file, period)
            return {}

    def _write(self, period: str, known: dict[str, Taken]) -> None:
        models = {name: {"tokens": one.tokens, "dollars": one.dollars} for name, one in known.items()}
        text = json.dumps({"day": period, "models": models}, indent=1, ensure_ascii=True)
        # A name of its own for each writer: one that did not wait for the lock does not write into another's.
        written = self._file.with_name(f"{FILE}.{os.getpid()}-{threading.get_ident()}")
        written.write_text(text + "\n", encoding="utf-8")
        written.replace(self._file)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes and threads.

    Raises:
        OSError: it was not to be had, or this file system has none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = time.monotonic() + _PATIENCE
        while True:
            with suppress(BlockingIOError, PermissionError):
                lock(file, shared=False)
                break
            if time.monotonic() > end:
                raise TimeoutError(f"{path} was locked for {_PATIENCE:g} s")
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(file)
