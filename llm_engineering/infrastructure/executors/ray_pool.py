"""Workers on a Ray cluster: batches go to whoever is free, and again to another one if he dies."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar
from uuid import uuid4

from loguru import logger

from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.ports import Work
from llm_engineering.infrastructure.executors.ray import Ray
from llm_engineering.infrastructure.executors.ray_worker import Done, RayWorker

T = TypeVar("T")
U = TypeVar("U")

# For each worker, so many batches are in memory: at work, or waiting until those before them are done.
_AHEAD = 2
_POLL_SECONDS = 1.0


class _Queue:
    """The batches that have no result yet, by their position."""

    def __init__(self, batches: Iterable[Sequence[Any]]) -> None:
        self._coming = enumerate(batches)
        self._ended = False
        self.kept: dict[int, Sequence[Any]] = {}  # to be sent once more if a worker dies
        self.next: deque[int] = deque()  # nobody works on these
        self.tries: Counter[int] = Counter()

    @property
    def is_done(self) -> bool:
        return self._ended and not self.kept

    def fill(self, room: int) -> None:
        """Take in batches until there are as many as there is room for."""
        while not self._ended and len(self.kept) < room:
            if (found := next(self._coming, None)) is None:
                self._ended = True
                return
            self.kept[found[0]] = found[1]
            self.next.append(found[0])


class RayPool:
    """The port `Executor` over actors, each of which has one batch at a time."""

    def __init__(self, ray: Any, spec: Ray, *, owned: bool) -> None:
        self._ray = ray
        self._spec = spec
        self._owned = owned
        self._starting: dict[Any, Any] = {}  # what `ready` returned → worker
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, int]] = {}  # result → worker, position of the batch
        self._wanted = 1
        self._reason = ""  # why the last worker could not be started
        self._looked = 0.0
        self._alive = time.monotonic()  # when a worker was last known to live

    def resources(self) -> str:
        """Return what the cluster has, for a person."""
        nodes = sum(1 for node in self._ray.nodes() if node["Alive"])
        cpus = self._ray.cluster_resources().get("CPU", 0)
        return f"{nodes} nodes with {cpus:g} CPUs"

    def map(self, work: Work[T, U], batches: Iterable[Sequence[T]]) -> Iterator[Sequence[U]]:
        shared, key = self._ray.put(work), uuid4().hex
        self._alive = time.monotonic()
        queue = _Queue(batches)
        done: dict[int, Sequence[U]] = {}
        turn = 0
        try:
            while True:
                self._grow()
                queue.fill(_AHEAD * max(self._wanted, 1) + 1 - len(done))
                while self._idle and queue.next:
                    position, worker = queue.next.popleft(), self._idle.pop()
                    self._busy[worker.run.remote(key, shared, queue.kept[position])] = worker, position
                if queue.is_done:
                    return
                for position, rows in self._answers(queue):
                    del queue.kept[position]
                    done[position] = rows
                while turn in done:
                    yield done.pop(turn)
                    turn += 1
        finally:
            self._abandon()

    def close(self) -> None:
        """End all workers, and the connection if this process made it."""
        for worker in [*self._starting.values(), *self._idle, *(worker for worker, _ in self._busy.values())]:
            self._ray.kill(worker)
        self._starting, self._idle, self._busy = {}, [], {}
        if self._owned:
            self._ray.shutdown()

    def _answers(self, queue: "_Queue") -> Iterator[tuple[int, Sequence[Any]]]:
        """Wait for the next worker that is done, has started, or has died."""
        waiting = [*self._busy, *self._starting]
        if not waiting:
            time.sleep(_POLL_SECONDS)
        ready = self._ray.wait(waiting, num_returns=1, timeout=_POLL_SECONDS)[0] if waiting else []
        self._check_patience(alive=bool(ready or self._idle or self._busy))
        for reference in ready:
            if reference in self._starting:
                self._started(reference)
                continue
            worker, position = self._busy.pop(reference)
            try:
                answer = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                self._lost(worker, position, error, queue)
                continue
            self._idle.append(worker)
            if not isinstance(answer, Done):
                raise answer.error
            yield position, answer.rows

    def _started(self, reference: Any) -> None:
        worker = self._starting.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._forget(worker)
            logger.warning("a worker could not be started: {}", _first_line(error))
            self._reason = _first_line(error)
            time.sleep(_POLL_SECONDS)
        else:
            self._idle.append(worker)

    def _lost(self, worker: Any, position: int, error: Exception, queue: "_Queue") -> None:
        self._forget(worker)
        queue.tries[position] += 1
        if (tries := queue.tries[position]) >= self._spec.attempts:
            raise BackendError(
                f"batch {position} lost its worker {tries} times (executor.attempts), the last time to: "
                f"{_first_line(error)}"
            ) from error
        queue.next.appendleft(position)
        logger.warning("a worker was lost with batch {}, which is done again: {}", position, _first_line(error))

    def _forget(self, worker: Any) -> None:
        self._ray.kill(worker)
        self._looked = 0.0  # the cluster may have become smaller

    def _grow(self) -> None:
        """Start workers until there are as many as the cluster has room for."""
        if time.monotonic() - self._looked > 2:
            self._looked = time.monotonic()
            resources = self._ray.cluster_resources()
            room = int(resources.get("CPU", 0) / self._spec.cpus_per_worker + 1e-9)
            if self._spec.gpus_per_worker:
                room = min(room, int(resources.get("GPU", 0) / self._spec.gpus_per_worker + 1e-9))
            self._wanted = min(room, self._spec.workers or room)
        for _ in range(self._wanted - len(self._starting) - len(self._idle) - len(self._busy)):
            worker = (
                self._ray.remote(RayWorker)
                .options(
                    num_cpus=self._spec.cpus_per_worker,
                    num_gpus=self._spec.gpus_per_worker,
                    scheduling_strategy="SPREAD",
                    max_restarts=0,
                )
                .remote()
            )
            self._starting[worker.ready.remote()] = worker

    def _check_patience(self, *, alive: bool) -> None:
        now = time.monotonic()
        if alive:
            self._alive = now
        elif now - self._alive > self._spec.patience:
            raise BackendError(
                f"no worker started on the Ray cluster within {self._spec.patience:.0f} s (executor.patience); it has "
                f"{self.resources()}, and a worker takes {self._spec.cpus_per_worker:g} CPUs and "
                f"{self._spec.gpus_per_worker:g} GPUs. {self._reason}".rstrip(),
                transient=True,
            )

    def _abandon(self) -> None:
        """End the workers whose results nobody waits for any more."""
        for worker, _ in self._busy.values():
            self._forget(worker)
        self._busy = {}


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
