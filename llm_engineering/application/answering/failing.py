"""A model that fails, or takes too long: what is told of it, and when quotes stand in."""

from llm_engineering.domain.errors import BackendError, UsageError

# What is left of an answer's time for quotes, if the model took the rest of it.
_FOR_QUOTES, _SECONDS_FOR_QUOTES = 0.25, 2.0


class LlmFailed(BackendError):  # noqa: N818 - named as the event that it becomes
    """The model failed, and nothing stands in for it."""

    reason = "llm_failed"


def failed(error: BackendError | UsageError) -> LlmFailed:
    """Return a failure of a model as that of an answer."""
    if isinstance(error, UsageError):
        return LlmFailed(str(error))
    return LlmFailed(str(error), transient=error.transient, retry_after=error.retry_after)


def time_of_a_model(timeout: float) -> float:
    """Return after how many seconds of an answer a model of which nothing was read is given up.

    >>> time_of_a_model(60), time_of_a_model(2)
    (58.0, 1.5)
    """
    return timeout - min(_SECONDS_FOR_QUOTES, _FOR_QUOTES * timeout)
