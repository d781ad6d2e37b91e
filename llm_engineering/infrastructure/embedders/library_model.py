"""A model loaded by sentence-transformers: whatever is not a plain BERT."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from transformers.utils import logging as transformers_logging

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.embedders.model_files import ModelFiles

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def load_library_model(files: ModelFiles, device: str) -> "SentenceTransformer":
    """Load verified files onto a device; no code of the model is in reach while the library works.

    Raises:
        UsageError: the library cannot make a model of them.
    """
    from sentence_transformers import SentenceTransformer

    with files.staged() as folder, quiet_transformers():
        try:
            return SentenceTransformer(str(folder), device=device, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # what the settings of a foreign model make the library raise can be anything
            raise UsageError(f"model {files.name!r} in {files.folder} cannot be loaded: {error}") from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the progress bar of loading weights off the screen, and leave the library's settings as they were."""
    bars, level = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
