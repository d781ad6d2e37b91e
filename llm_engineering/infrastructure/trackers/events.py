"""What a tracker is told of a run, as plain values that hold no secret."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from llm_engineering.domain.secrets import redact
from llm_engineering.domain.value import Scalar

# A tracker is for looking at runs; weights and data sets have their own stores.
LARGEST_FILE = 4 * 1024 * 1024


@dataclass(frozen=True)
class Event:
    """Something to note: parameters, metrics at a step, or a file with its content."""

    parameters: dict[str, Scalar] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    step: int | None = None
    file: str = ""
    content: bytes = b""


class Writer(Protocol):
    """One run in a tracker. Calls come one after the other, all from the thread that opened it."""

    def write(self, event: Event) -> None:
        """Note an event."""
        ...

    def close(self, failed: bool) -> None:
        """End the run."""
        ...


class Backend(Protocol):
    """A service that keeps runs."""

    name: str

    def open(self, name: str, tags: dict[str, str]) -> Writer:
        """Open a run; whatever goes wrong is raised."""
        ...


def file_event(path: Path) -> Event:
    """Return the content of a small file, with the secrets in a text replaced.

    Raises:
        ValueError: it is too large for a tracker.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise ValueError(f"{path.name} has {size} bytes, trackers take files of at most {LARGEST_FILE}")
    content = path.read_bytes()
    try:
        content = redact(content.decode()).encode()
    except UnicodeDecodeError:
        return Event(file=path.name, content=content)  # a picture, for example
    return Event(file=path.name, content=content)
