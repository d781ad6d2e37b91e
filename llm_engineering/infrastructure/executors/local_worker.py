"""A process that does the work on batches: it reads the work and then batches, and writes the result of each."""

import os
import pickle
import signal
from typing import Any, BinaryIO

from loguru import logger

from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.executors.ray_worker import Done, RayWorker, Refused


def main() -> None:
    """Work until there is no more to read: then the process that started this one is done, or dead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this one ends it
    logger.remove()  # what is logged where secrets are not known is not shown
    # What a library prints must not come between the answers.
    with os.fdopen(os.dup(1), "wb") as answers, os.fdopen(os.dup(0), "rb") as questions:
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        work, worker = None, RayWorker()
        while (message := _read(questions)) is not None:
            if work is None:
                work = pickle.loads(message)  # noqa: S301 - what started this process wrote it
                continue
            _write(answers, worker.run("work", work, pickle.loads(message)))  # noqa: S301 - as above


def _read(questions: BinaryIO) -> bytes | None:
    head = questions.read(8)
    body = questions.read(int.from_bytes(head))
    return body if len(head) == 8 and len(body) == int.from_bytes(head) else None


def _write(answers: BinaryIO, answer: Done | Refused) -> None:
    body = _packed(answer)
    try:
        answers.write(len(body).to_bytes(8) + body)
        answers.flush()
    except BrokenPipeError:
        os._exit(1)  # nobody waits for it


def _packed(answer: Any) -> bytes:
    try:
        return pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - a class of the user's may fail in any way
        return pickle.dumps(Refused(BackendError(f"a result cannot be sent: {type(error).__name__}: {error}")))


if __name__ == "__main__":
    main()
