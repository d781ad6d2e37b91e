"""What an erasure still has to do, on disk until it is done: a kill in between loses nothing of it."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from llm_engineering.domain.erasure import Found, Target
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.traces import Traces
from llm_engineering.infrastructure.vector_stores.folders import replace_file, sync

FOLDER = "erasures"


class Journal:
    """The file of one target. It names what is to be forgotten, so it goes last."""

    def __init__(self, home: Path, target: Target) -> None:
        self.path = home / FOLDER / f"{target.digest[:32]}.json"

    def read(self) -> tuple[Traces, Sequence[Found]] | None:
        """Return the traces and findings of an erasure that was not completed, or None."""
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            return Traces.model_validate(stored["traces"]), [Found.model_validate(item) for item in stored["found"]]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise BackendError(
                f"{self.path} is damaged ({type(error).__name__}); remove it and run this again"
            ) from error

    def write(self, traces: Traces, found: Sequence[Found]) -> None:
        """Keep what is to be done."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {"traces": traces.model_dump(), "found": [item.model_dump() for item in found]}
        replace_file(self.path, json.dumps(content, default=sorted))

    def remove(self) -> None:
        """Say that all is done."""
        self.path.unlink(missing_ok=True)
        if self.path.parent.exists():
            sync(self.path.parent)
            with suppress(OSError):  # another erasure is not done
                self.path.parent.rmdir()
