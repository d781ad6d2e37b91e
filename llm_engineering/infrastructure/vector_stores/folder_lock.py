"""The lock of an engine that keeps a collection in a folder: one writer, whose death or whose lost run frees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loguru import logger

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held
from llm_engineering.infrastructure.vector_stores.versions import Overtaken, busy


@contextmanager
def writing_alone(folder: Path, collection: str, run: int) -> Iterator[None]:
    """Hold the right to write to a collection, or refuse at once and say who has it.

    Raises:
        BackendError: another process writes, or a later run has written.
        UsageError: the folder cannot be written to.
    """
    lock = _taken(folder, collection, run)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _taken(folder: Path, collection: str, run: int) -> FileLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{collection}.writer.lock", run=run)
        last = lock.last_run()
        if 0 < run < last:
            raise Overtaken(run, last, collection)
        try:
            return lock.__enter__()
        except Held as held:
            if not 0 < last < run:
                raise BackendError(busy(collection, str(held)), transient=True) from held
            # Its run was closed, or this one would not have been given the collection; it may write no more.
            logger.warning("collection {!r}: {} stands still and lost its run; taking over", collection, held)
            lock.path.unlink(missing_ok=True)
            return lock.__enter__()
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written to ({error.strerror or error}); name a folder that can be, or make room"
        ) from error
