"""A model loaded by sentence-transformers: whatever is not a plain BERT."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from transformers.utils import logging as transformers_logging

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.embedders.model_files import ModelFiles

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer


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


def load_cross_encoder(
    files: ModelFiles, device: str, *, what: str = "model", max_tokens: int | None = None, fresh_head: bool = False
) -> "CrossEncoder":
    """Load a cross-encoder; with `fresh_head`, an encoder as well, which gets a head of random weights.

    Raises:
        UsageError: the library cannot make a model of them; `what` is what the message calls it.
    """
    from sentence_transformers import CrossEncoder

    with files.staged() as folder, quiet_transformers():
        if fresh_head:
            # modules.json tells of an embedder's pooling, which a cross-encoder does not have.
            (folder / "modules.json").unlink(missing_ok=True)
        try:
            model: CrossEncoder = CrossEncoder(
                str(folder),
                num_labels=1 if fresh_head else None,
                max_length=max_tokens,
                device=device,
                local_files_only=True,
                trust_remote_code=False,
            )
        except Exception as error:  # what the settings of a foreign model make the library raise can be anything
            raise UsageError(f"{what} {files.name!r} in {files.folder} cannot be loaded: {error}") from error
    return model


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
