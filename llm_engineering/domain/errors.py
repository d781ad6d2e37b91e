"""Every error that this project raises on purpose.

    LLMEngineeringError
    ├── UsageError      the user can mend it: bad configuration, missing extra, unknown kind, missing setting
    ├── SourceError     one document or URL failed; carries the reason code
    ├── BackendError    a service failed; `.transient` says whether a retry may help
    │   └── DamagedDocuments  the warehouse does not hold documents as they were stored; carries their ids
    ├── BudgetExceeded  a call of a model would pass the budget of tokens or money
    └── GateFailed      a result is below its gate; carries the verdict

Each message says what happened, with which value, what is valid, and what to do. Adapters translate the exceptions of
their libraries at their edge, so that no caller needs to know a vendor.

Secrets are taken out of a message when the error is made: nobody who shows, logs or stores it later can forget to.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from llm_engineering.domain.secrets import redact

if TYPE_CHECKING:
    from llm_engineering.domain.llms import Usage


class LLMEngineeringError(Exception):
    """Base of all errors of this project."""

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))


class UsageError(LLMEngineeringError):
    """The user can mend it: a wrong setting, a missing file, a missing extra."""


class SourceError(LLMEngineeringError):
    """A source, or one document of it, could not be read.

    `reason` is a short stable code (`unreachable`, `timeout`, `wrong_shape` …), fit for counting.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class BackendError(LLMEngineeringError):
    """A database, a vector store, a model or another service failed.

    `transient` says whether a retry may help; `retry_after` after how many seconds, where the service said so. `reply`
    is what a language model said, where its shape is all that is wrong: parts of it may be of use. `usage` is what was
    paid for all the same.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        retry_after: float | None = None,
        reply: str | None = None,
        usage: "Usage | None" = None,
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after
        self.reply = reply
        self.usage = usage


class DamagedDocuments(BackendError):  # noqa: N818 - named for what it carries
    """The warehouse does not hold some documents as they were stored: a version is gone, or has another content.

    `ids` are theirs.
    """

    def __init__(self, ids: Collection[str], first: str) -> None:
        super().__init__(
            f"the warehouse does not hold {len(ids):,} documents as they were stored, the first is {first}; run the "
            "feature pipeline again, which reads them from their sources"
        )
        self.ids = frozenset(ids)


class BudgetExceeded(LLMEngineeringError):  # noqa: N818 - it is a decision, not a fault
    """A call of a model would have passed the budget of tokens or money, so it was not made."""


class GateFailed(LLMEngineeringError):  # noqa: N818 - it is a verdict, not a fault
    """A result is below its gate. `verdict` holds the numbers that decided."""

    def __init__(self, message: str, verdict: object = None) -> None:
        super().__init__(message)
        self.verdict = verdict
