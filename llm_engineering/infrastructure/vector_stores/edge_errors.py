"""What the engine raises: bare `Exception`s, and panics that derive from `BaseException`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_engineering.domain.errors import BackendError, LLMEngineeringError


@contextmanager
def engine_errors(folder: Path) -> Iterator[None]:
    """Translate what the engine raises."""
    try:
        yield
    except LLMEngineeringError:
        raise
    except Exception as error:
        raise BackendError(
            f"the index in {folder} failed: {error}. If this repeats, remove that folder and run the feature pipeline "
            "to build the index again"
        ) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise BackendError(
            f"the engine of the index in {folder} broke off: {error}. The index may be damaged: remove that folder "
            "and run the feature pipeline to build it again"
        ) from error
