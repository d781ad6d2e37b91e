"""What becomes of an error that concerns one item of a source."""

from llm_engineering.domain.documents import Failure, Rejection
from llm_engineering.domain.errors import SourceError

# The item may be there, it only could not be reached or read this time. Everything else is the state of the item.
FAILURES = frozenset(
    {
        *("unreachable", "timeout", "tls", "robots_unavailable", "unreadable", "http_408", "http_425", "http_429"),
        "missing_extra",  # of this installation: the document is as good as before
    }
)


def is_failure(reason: str) -> bool:
    """Tell whether a reason means that the next run should simply try again."""
    return reason in FAILURES or reason.startswith("http_5")


def incident(error: SourceError, uri: str, source: str, key: str = "") -> Rejection | Failure:
    """Return the error as an item of its source, so that the other items go on."""
    kind = Failure if is_failure(error.reason) else Rejection
    return kind(uri=uri, source=source, reason=error.reason, detail=str(error), key=key)
