"""Look at an installation: what is there, what is missing, what to type. No model is loaded, nothing is changed.

Each check is a small function that returns a `Check`. A new one is a function here and a line in `CHECKS`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from llm_engineering.checkup import machine, models, packages, services, stores
from llm_engineering.checkup.subject import Subject, subject_of
from llm_engineering.domain.checkup import Check, broken
from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.domain.secrets import redact

# Who has not answered by then is told of as such. Everything is asked at once, so it is the time of all together.
SECONDS = 4.0

CHECKS: tuple[tuple[str, Callable[[Subject], Check]], ...] = (
    ("python", machine.python),
    ("packages", packages.pinned),
    ("extras", packages.extras),
    ("git", machine.git),
    ("computing", machine.computing),
    ("home", machine.home),
    ("space", machine.space),
    ("file locks", machine.file_locks),
    ("secrets", services.secrets),
    ("warehouse", stores.warehouse),
    ("runs", stores.runs),
    ("vector store", stores.vector_store),
    ("embedding model", models.embedder),
    ("index", stores.index),
    ("zenml", services.zenml),
    ("dashboard", services.dashboard),
    ("service port", services.service_port),
    ("llms", models.llms),
)


def checkup(path: Path | None = None, overrides: Sequence[str] = (), seconds: float = SECONDS) -> list[Check]:
    """Return what each check found, in the order of `CHECKS`, the configuration first.

    All are made at once. One that fails, or has not answered after `seconds`, is reported as broken.
    """
    configuration, subject = subject_of(path, overrides)
    begun = monotonic()
    waiting = [(name, _begin(name, check, subject)) for name, check in CHECKS]
    return [configuration, *(_ended(name, answer, begun + seconds) for name, answer in waiting)]


def _begin(name: str, check: Callable[[Subject], Check], subject: Subject) -> "SimpleQueue[Check]":
    answer: SimpleQueue[Check] = SimpleQueue()
    # A daemon: one that waits for a server for ever does not keep the process alive.
    Thread(target=lambda: answer.put(_made(name, check, subject)), name=f"check {name}", daemon=True).start()
    return answer


def _made(name: str, check: Callable[[Subject], Check], subject: Subject) -> Check:
    try:
        found = check(subject)
    except LLMEngineeringError as error:
        found = broken(name, str(error))
    except Exception as error:  # noqa: BLE001 - one check that fails must not hide the others
        found = broken(name, f"it cannot be looked at: {type(error).__name__}: {error}")
    return found.model_copy(update={"found": redact(" ".join(found.found.split()))})


def _ended(name: str, answer: "SimpleQueue[Check]", deadline: float) -> Check:
    try:
        return answer.get(timeout=max(deadline - monotonic(), 0.01))
    except Empty:
        return broken(name, "no answer in time; check the address and the network")


__all__ = ["CHECKS", "checkup"]
