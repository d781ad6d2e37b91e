"""Errors on their way to a caller: one place decides status, code and words.

What is unknown tells nothing of itself.
"""

from dataclasses import dataclass

from loguru import logger

from llm_engineering.domain.errors import BackendError, BudgetExceeded, UsageError

# Seconds after which a caller may try again, where nobody knows better.
SOON = 1.0
LATER = 5.0
MUCH_LATER = 3_600.0


@dataclass
class Problem(Exception):  # noqa: N818 - it is what the caller is told
    """What a caller is told instead of an answer. `retry_after` is in seconds."""

    status: int
    code: str
    message: str
    retry_after: float | None = None


def problem_of(error: Exception) -> Problem:
    """Return what a caller is told of an error."""
    match error:
        case Problem():
            return error
        case UsageError():
            return Problem(422, "invalid", str(error))
        case BudgetExceeded():
            return Problem(429, "budget_exceeded", "the budget for language models is spent", MUCH_LATER)
        case BackendError(transient=True, retry_after=seconds):
            logger.warning("a backend failed for now: {}", error)
            return Problem(503, "unavailable", "a part of the service failed for now; try again", seconds or LATER)
        case BackendError():
            logger.error("a backend failed: {}", error)
            return Problem(503, "unavailable", "a part of the service failed; its log says which", LATER)
        case TimeoutError():
            return Problem(504, "timeout", "the answer took too long")
    logger.opt(exception=error).error("a request failed with an unexpected {}", type(error).__name__)
    return Problem(500, "internal", "something unexpected happened; the log of the service has it under the request id")


def overloaded() -> Problem:
    """Return what is said when there is too much to do."""
    return Problem(503, "overloaded", "too many requests at once; try again", SOON)


def not_ready() -> Problem:
    """Return what is said while there is nothing to search."""
    message = (
        "nothing can be searched yet, and the service's log says why; where nothing is indexed, run the feature "
        "pipeline, which is followed without a restart"
    )
    return Problem(503, "not_ready", message, LATER)


def shutting_down() -> Problem:
    """Return what is said when the service is about to end."""
    return Problem(503, "shutting_down", "the service is about to end; try again", LATER)
