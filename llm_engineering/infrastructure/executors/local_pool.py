"""Processes beside this one, each with one batch at a time.

They are started as commands of their own rather than by `multiprocessing`, which would run the user's script once more
in each of them. A process ends when its input does, so none outlives this one, however it ends.
"""

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.ports import Work
from llm_engineering.infrastructure.executors.ray_worker import Done

T = TypeVar("T")
U = TypeVar("U")

Worker = subprocess.Popen[bytes]

_COMMAND = (sys.executable, "-m", "llm_engineering.infrastructure.executors.local_worker")
# For each process, so many batches are in memory: at work, or waiting until those before them are done.
_AHEAD = 2


class LocalPool:
    """The port `Executor` over processes of this machine. Results come in the order of the batches."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._maps: list[Generator[Any, None, None]] = []

    def map(self, work: Work[T, U], batches: Iterable[Sequence[T]]) -> Iterator[Sequence[U]]:
        self._maps.append(results := self._mapped(pickle.dumps(work, pickle.HIGHEST_PROTOCOL), batches))
        return results

    def close(self) -> None:
        """End all processes, also those that are at work: nobody waits for them any more."""
        for results in self._maps:
            results.close()

    def _mapped(self, work: bytes, batches: Iterable[Sequence[Any]]) -> Generator[Any, None, None]:
        workers: list[Worker] = []
        free: SimpleQueue[Worker] = SimpleQueue()
        threads = ThreadPoolExecutor(self._processes, thread_name_prefix="executor")
        waiting: deque[Future[Sequence[Any]]] = deque()
        try:
            for _ in range(self._processes):
                workers.append(_started())
                free.put(workers[-1])
                _send(workers[-1], work)
            for batch in batches:
                waiting.append(threads.submit(_done, free, batch))
                if len(waiting) >= _AHEAD * self._processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for worker in workers:
                worker.kill()
            threads.shutdown(wait=True, cancel_futures=True)
            for worker in workers:
                _buried(worker)


def _started() -> Worker:
    return subprocess.Popen(  # noqa: S603 - our own code, by the Python that runs this one
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": _path()}
    )


def _done(free: "SimpleQueue[Worker]", batch: Sequence[Any]) -> Sequence[Any]:
    """Have a batch done by a process that is free; there is one for each thread."""
    worker = free.get()
    try:
        _send(worker, pickle.dumps(batch, pickle.HIGHEST_PROTOCOL))
        answer = _receive(worker)
    finally:
        free.put(worker)
    if not isinstance(answer, Done):
        raise answer.error
    return answer.rows


def _buried(worker: Worker) -> None:
    worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        try:
            if pipe is not None:
                pipe.close()
        except OSError:  # what was not sent any more
            continue


def _send(worker: Worker, message: bytes) -> None:
    assert worker.stdin is not None  # noqa: S101 - it was asked for
    try:
        worker.stdin.write(len(message).to_bytes(8) + message)
        worker.stdin.flush()
    except (OSError, ValueError) as error:
        raise _ended(worker) from error


def _receive(worker: Worker) -> Any:
    assert worker.stdout is not None  # noqa: S101 - it was asked for
    head = worker.stdout.read(8)
    body = worker.stdout.read(int.from_bytes(head)) if len(head) == 8 else b""
    if not body or len(body) < int.from_bytes(head):
        raise _ended(worker)
    return pickle.loads(body)  # noqa: S301 - our own process wrote it


def _ended(worker: Worker) -> BackendError:
    return BackendError(
        f"a process that did part of the work ended with code {worker.wait()} (-9: it was killed, often for want of "
        "memory). Run again: what was done stays. `executor: {kind: local, processes: 1}` needs the least memory"
    )


def _path() -> str:
    """Return where modules are found, for a process that finds the same ones: functions of one's own included."""
    return os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
