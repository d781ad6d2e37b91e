"""Open the published copy that readers are to see, whatever is published or removed meanwhile."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.vector_stores.edge_layout import Layout
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held

OPENING_ATTEMPTS = 50


@contextmanager
def locked_copy(layout: Layout) -> Iterator[Path | None]:
    """Yield the copy that readers are to open, safe from removal meanwhile; None before the first publication.

    Between reading the pointer and taking the lock, publications may have removed the folder: then look again.
    """
    with ExitStack() as stack:
        yield _lock(layout, stack)


def _lock(layout: Layout, stack: ExitStack) -> Path | None:
    for _ in range(OPENING_ATTEMPTS):
        copy = layout.active_copy()
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
