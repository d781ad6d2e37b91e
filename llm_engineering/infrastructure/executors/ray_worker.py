"""What runs on a node: it does the work on batches, and keeps what the work needs open."""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llm_engineering.domain.errors import BackendError, LLMEngineeringError, SourceError
from llm_engineering.domain.ports import Work


@dataclass(frozen=True, slots=True)
class Done:
    """The results of a batch."""

    rows: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """The error that the work itself ended with; the worker is well."""

    error: Exception


class RayWorker:
    """An actor. It keeps one kind of work open, since a tokenizer or a model takes memory."""

    def __init__(self) -> None:
        self._key = ""
        self._do: Callable[[Sequence[Any]], Sequence[Any]] | None = None

    def ready(self) -> bool:
        """Return once the worker has started."""
        return True

    def run(self, key: str, work: Work[Any, Any], rows: Sequence[Any]) -> Done | Refused:
        """Do the work on a batch; `key` tells one work from another."""
        try:
            if self._do is None or self._key != key:
                self._do, self._key = None, ""
                self._do, self._key = work.open(), key
            return Done(self._do(rows))
        except Exception as error:  # noqa: BLE001 - it is raised where the results are awaited
            return Refused(portable(error))


def portable(error: Exception) -> Exception:
    """Return an error as it can be sent: itself, or, if it cannot be, one of ours with its words."""
    if isinstance(error, SourceError):
        return BackendError(f"{error.reason}: {error}")
    if not isinstance(error, LLMEngineeringError):
        try:
            if type(pickle.loads(pickle.dumps(error))) is type(error):  # noqa: S301 - our own bytes
                return error
        except Exception as problem:  # noqa: BLE001 - a class of the user's may fail in any way
            return BackendError(f"{type(error).__name__}: {error} (it cannot be sent: {problem})")
    return error
