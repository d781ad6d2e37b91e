"""The parser's own process: reads HTML from standard input, answers with pages on standard output.

    python -m llm_engineering.infrastructure.parsers.child

A message is its length in four bytes, big-endian, and as much UTF-8 JSON. The first message out is `{"ready": true}`;
then each request `{"html", "url", "article", "seconds"}` is answered by the fields of a `Page`. Anything that goes
wrong ends the process: the other side notices, and starts another one.
"""

import json
import logging
import os
import sys
from dataclasses import asdict
from typing import IO

MEMORY_BYTES = 3 * 1024**3


def send(stream: IO[bytes], message: object) -> None:
    """Write one message."""
    body = json.dumps(message).encode()
    stream.write(len(body).to_bytes(4, "big") + body)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, object] | None:
    """Read one message, or None where the stream ends."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    body = stream.read(int.from_bytes(head, "big"))
    message = json.loads(body) if len(body) == int.from_bytes(head, "big") else None
    return message if isinstance(message, dict) else None


def main() -> None:
    """Answer requests until the input ends."""
    answers = _own_standard_output()
    _limit_memory()
    logging.disable(logging.CRITICAL)  # what libraries say about odd pages is no news
    from llm_engineering.infrastructure.parsers.article import read_page

    send(answers, {"ready": True})
    while (request := receive(sys.stdin.buffer)) is not None:
        _limit_processor_time(float(str(request["seconds"])))
        page = read_page(str(request["html"]), str(request["url"]), article=bool(request["article"]))
        send(answers, asdict(page))


def _own_standard_output() -> IO[bytes]:
    """Keep standard output for messages: whatever a library prints goes nowhere."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return answers


def _limit_memory() -> None:
    if sys.platform == "linux":  # elsewhere the limit is missing, or counts differently
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _limit_processor_time(seconds: float) -> None:
    """Let the kernel end this process if the parent is no longer there to do so."""
    if sys.platform == "linux":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 2, hard))


if __name__ == "__main__":
    main()
