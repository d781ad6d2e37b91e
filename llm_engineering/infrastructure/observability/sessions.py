"""To which conversation the answers that are being made belong."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_session: ContextVar[str] = ContextVar("session", default="")


@contextmanager
def in_session(session_id: str) -> Iterator[None]:
    """Let the answers of a block belong to a conversation: viewers show its traces together."""
    token = _session.set(session_id)
    try:
        yield
    finally:
        _session.reset(token)


def current_session() -> str:
    """Return the conversation that the block belongs to, or an empty text."""
    return _session.get()
