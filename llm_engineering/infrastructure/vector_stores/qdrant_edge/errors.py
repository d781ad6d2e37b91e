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
            f"the index in {folder} failed: {error}. What cannot be read is built again by the next run; if this "
            "repeats, remove that folder"
        ) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise BackendError(
            f"the engine of the index in {folder} broke off: {error}. What cannot be read is built again by the next "
            "run; if this repeats, remove that folder"
        ) from error
