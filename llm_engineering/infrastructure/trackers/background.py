"""A tracker in a thread of its own: nothing that it does, fails to do or waits for reaches the training."""

import queue
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Signal
from threading import Thread

from loguru import logger

from llm_engineering.domain.ports import TrackedRun
from llm_engineering.domain.secrets import redact, redacted
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.trackers.events import Backend, Event, file_event

# More events than this wait for a tracker that has stopped answering; a training has some thousand.
WAITING = 10_000


class Background:
    """Port `Tracker` over a backend. The end of a run waits for it at most `patience` seconds."""

    def __init__(self, backend: Backend, patience: float) -> None:
        self._backend = backend
        self._patience = patience

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
        """Open a run; leaving the block closes it, as failed if an error left it."""
        run = _Run(self._backend, redact(name), {key: redact(str(value)) for key, value in tags.items()})
        failed = True
        try:
            yield run
            failed = False
        finally:
            run.close(failed, self._patience)


class _Run:
    """Hands events to the thread that owns the backend's run; drops them when it cannot keep up or has failed."""

    def __init__(self, backend: Backend, name: str, tags: dict[str, str]) -> None:
        self._backend = backend
        self._name = name
        self._tags = tags
        self._events: queue.Queue[Event | bool] = queue.Queue(WAITING)
        self._over = Signal()
        self._said = False
        # A daemon: a tracker that hangs does not keep the process alive either.
        self._thread = Thread(target=self._work, name=f"tracker-{backend.name}", daemon=True)
        self._thread.start()

    def parameters(self, values: Mapping[str, Scalar]) -> None:
        self._put(Event(parameters=redacted(dict(values))))

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        self._put(Event(metrics={key: float(value) for key, value in values.items()}, step=step))

    def file(self, path: Path) -> None:
        try:
            event = file_event(path)
        except (OSError, ValueError) as error:
            logger.warning("{} does not keep {}: {}", self._backend.name, path.name, error)
            return
        self._put(event)

    def close(self, failed: bool, patience: float) -> None:
        self._put(failed)
        self._thread.join(patience)
        if self._thread.is_alive():
            self._say(f"it has not finished after {patience:g} s, and is not waited for")

    def _put(self, event: Event | bool) -> None:
        if self._over.is_set():
            return
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._say(f"{WAITING} events wait for it; later ones are left out")

    def _work(self) -> None:
        """Open the run, write events until told how it ended. The first failure ends the tracking of this run."""
        try:
            writer = self._backend.open(self._name, self._tags)
            while not isinstance(event := self._events.get(), bool):
                writer.write(event)
            writer.close(event)
        except Exception as error:  # noqa: BLE001 - whatever a tracker raises, the training goes on
            self._say(f"{type(error).__name__}: {error}")
        finally:
            self._over.set()

    def _say(self, reason: str) -> None:
        if not self._said:
            self._said = True
            logger.warning("{} does not watch run {!r} to its end: {}", self._backend.name, self._name, redact(reason))
