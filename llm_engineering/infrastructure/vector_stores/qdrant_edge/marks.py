"""What a writer notes in the folder of an index for those who come after it: empty files, which outlive its process."""

from pathlib import Path

from loguru import logger

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.vector_stores.folders import sync
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import AT_WORK, BROKEN, CHANGED


class Marks:
    """The marks of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def at_work(self) -> bool:
        """Whether a writer began, and did not come to a flush."""
        return (self._folder / AT_WORK).exists()

    @property
    def broken(self) -> bool:
        """Whether a writer could not read what is here."""
        return (self._folder / BROKEN).exists()

    def begin_work(self) -> None:
        """Leave a mark on disk until the next flush, so that a successor knows if this process dies in between.

        Raises:
            BackendError: the folder cannot be written to.
        """
        try:
            (self._folder / AT_WORK).touch()
            (self._folder / CHANGED).touch()
            sync(self._folder)
        except OSError as error:
            raise BackendError(f"the index in {self._folder} cannot be written: {error}") from error
        failpoints.reach("edge.after_mark")

    def end_work(self) -> None:
        """Take that mark away. That there are changes which readers do not see yet stays noted."""
        (self._folder / AT_WORK).unlink(missing_ok=True)

    def break_up(self) -> None:
        """Let the next writer build the index again."""
        try:
            (self._folder / BROKEN).touch()
        except OSError as error:
            logger.warning("the index in {} cannot be marked as broken: {}", self._folder, error)
