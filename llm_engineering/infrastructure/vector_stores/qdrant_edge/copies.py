"""Open the published copy that readers are to see, whatever is published or removed meanwhile."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import Layout, copy_version

OPENING_ATTEMPTS = 50


@contextmanager
def locked_copy(layout: Layout, version: str = "") -> Iterator[Path | None]:
    """Yield the copy that readers are to open, safe from removal meanwhile; None before the first publication.

    Without a version it is a copy of the active one. Between reading the pointer and taking the lock, publications may
    have removed the folder: then look again.
    """
    with ExitStack() as stack:
        yield _lock(layout, version, stack)


def _published(layout: Layout, version: str) -> Path | None:
    """Return the last copy of a version; of the active one that which readers see, whatever was copied since."""
    active = layout.active_copy()
    if not version or (active is not None and copy_version(active) == version):
        return active
    return next(reversed(layout.copies(version)), None)


def _lock(layout: Layout, version: str, stack: ExitStack) -> Path | None:
    for _ in range(OPENING_ATTEMPTS):
        copy = _published(layout, version)
        if copy is None:
            return None
        try:
            if stack.enter_context(FileLock(copy / "readers.lock", shared=True)).is_mine():
                return copy
        except (FileNotFoundError, Held):
            continue
        except OSError as error:
            raise BackendError(f"the published index {copy} cannot be opened: {error}") from error
    raise BackendError(
        f"the published index {copy} of collection {layout.root.name!r} is missing; run the feature pipeline to "
        "publish it again"
    )
