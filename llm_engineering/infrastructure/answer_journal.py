"""What became of the rows of a batch, one JSON line each, in a file that outlives a kill."""

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

from loguru import logger

from llm_engineering.domain.batches import AnswerRow
from llm_engineering.domain.errors import BackendError

# A line is in the hands of the operating system when `keep` returns, which a kill of the process does not undo. For a
# power cut it is brought to the disk after so many lines or seconds.
SYNC_LINES, SYNC_SECONDS = 16, 0.5

_FIELDS = {field.name for field in fields(AnswerRow)}
_FINISHED = ("answered", "no_answer")


class FileJournal:
    """The port `AnswerJournal` over a file. Only the places of lines are in memory, not the answers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._places: dict[str, tuple[int, int]] = {}
        self._end = self._read_all()
        self._unsynced, self._synced_at = 0, time.monotonic()

    def __len__(self) -> int:
        return len(self._places)

    def finished(self, key: str) -> AnswerRow | None:
        row = self.latest(key)
        return row if row is not None and row.outcome in _FINISHED else None

    def latest(self, key: str) -> AnswerRow | None:
        """Return what became of a row the last time, or None if it is not known."""
        if key not in self._places:
            return None
        start, length = self._places[key]
        return _row(os.pread(self._file, length, start))

    def keep(self, row: AnswerRow) -> None:
        values = {name: None if _is_nan(value) else value for name, value in asdict(row).items()}
        line = json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        try:
            _write(self._file, line)
            self._unsynced += 1
            if self._unsynced >= SYNC_LINES or time.monotonic() - self._synced_at >= SYNC_SECONDS:
                os.fsync(self._file)
                self._unsynced, self._synced_at = 0, time.monotonic()
        except OSError as error:
            raise BackendError(
                f"the journal {self._path} cannot be written: {error}; make room and run again"
            ) from error
        self._places[row.key] = (self._end, len(line))
        self._end += len(line)

    def close(self) -> None:
        """Bring everything to the disk and close the file."""
        os.fsync(self._file)
        os.close(self._file)

    def _read_all(self) -> int:
        """Note where each row's last line is, cut off a line that a kill left unfinished, and return the end."""
        end = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    os.ftruncate(self._file, end)
                    break
                if row := _row(line):
                    self._places[row.key] = (end, len(line))
                else:
                    logger.warning("{} is damaged at byte {}: that row is asked again", self._path, end)
                end += len(line)
        return end


def _write(file: int, line: bytes) -> None:
    """Write all of a line; of one that is cut by a full disk, the next run takes the rest away."""
    while line:
        line = line[os.write(file, line) :]


def _row(line: bytes) -> AnswerRow | None:
    try:
        values = json.loads(line)
    except ValueError:
        return None
    if not isinstance(values, dict) or set(values) != _FIELDS:
        return None
    unknown = {name: math.nan for name in ("confidence", "cost") if values[name] is None}
    lists = {name: tuple(values[name]) for name in ("flags", "documents")}
    return AnswerRow(**{**values, **unknown, **lists})


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a journal that nobody writes to."""
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def take_out(path: Path, gone: Callable[[str], bool]) -> None:
    """Write a journal anew, in one step, without some of its lines."""
    part = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.writelines(line for line in lines_of(path) if not gone(line))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@contextmanager
def open_journal(path: Path, *, fresh: bool = False) -> Iterator[FileJournal]:
    """Open a journal for a block; a fresh one forgets what it held.

    Raises:
        BackendError: the file cannot be opened.
    """
    try:
        if fresh:
            path.unlink(missing_ok=True)
        journal = FileJournal(path)
    except OSError as error:
        raise BackendError(f"the journal {path} cannot be opened: {error}") from error
    try:
        yield journal
    finally:
        journal.close()
