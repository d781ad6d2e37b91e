"""What language models wrote for data sets, one JSON line each, in a file that outlives a kill."""

import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from loguru import logger

from llm_engineering.domain.datasets import Reply
from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.datasets.files import FOLDER
from llm_engineering.infrastructure.vector_stores.folders import replace_file

FILE = "replies.jsonl"


class ReplyFile:
    """The port `ReplyJournal` over a file. Several processes may write to it; each knows what it read and wrote."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._known = {reply.key: reply for reply in read_replies(path)}
        if (size := os.fstat(self._file).st_size) and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")  # a kill left a line unfinished: it ends here

    def __len__(self) -> int:
        return len(self._known)

    def find(self, key: str) -> Reply | None:
        return self._known.get(key)

    def keep(self, reply: Reply) -> None:
        line = _line(reply)
        try:
            while line:
                line = line[os.write(self._file, line) :]
            os.fsync(self._file)  # it was paid for
        except OSError as error:
            raise BackendError(f"{self._path} cannot be written: {error}; make room and run again") from error
        self._known[reply.key] = reply

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def replies_of(home: Path) -> Path:
    """Return the file of a home."""
    return home / FOLDER / FILE


@contextmanager
def open_replies(home: Path) -> Iterator[ReplyFile]:
    """Open the replies of a home for a block.

    Raises:
        BackendError: the file cannot be opened.
    """
    try:
        journal = ReplyFile(replies_of(home))
    except OSError as error:
        raise BackendError(f"{replies_of(home)} cannot be opened: {error}") from error
    try:
        yield journal
    finally:
        journal.close()


def read_replies(path: Path) -> Iterator[Reply]:
    """Yield what a file holds; what is damaged is left out, and paid for again."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if (reply := _reply(line)) is not None:
                yield reply
            elif line.strip():
                logger.warning("{}, line {}: it is damaged, that reply is asked for again", path, number)


def forget_replies(home: Path, document_ids: Collection[str]) -> int:
    """Remove the replies about documents, for good, and return how many there were."""
    path = replies_of(home)
    known = list(read_replies(path))
    kept = [reply for reply in known if reply.document_id not in document_ids]
    if path.is_file():  # also damaged lines go: nobody knows what they were about
        replace_file(path, b"".join(map(_line, kept)).decode())
    return len(known) - len(kept)


def _line(reply: Reply) -> bytes:
    values = {"key": reply.key, "document_id": reply.document_id, "text": reply.text}
    return json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _reply(line: bytes) -> Reply | None:
    try:
        return Reply(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
