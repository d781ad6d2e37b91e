"""The parser's own process: reads HTML from standard input, answers with pages on standard output.

    python -m llm_engineering.infrastructure.parsers.child MEGABYTES

A message is its length in four bytes, big-endian, and as much UTF-8 JSON. The first message out is `{"ready": true}`;
then each request `{"html", "url", "article", "seconds"}` is answered by the fields of a `Page`. Anything that goes
wrong ends the process: the other side notices, and starts another one. How it ended is its exit code.
"""

import json
import logging
import os
import sys
from dataclasses import asdict
from typing import IO

from llm_engineering.infrastructure.parsers.confinement import confine, limit_processor_time

OUT_OF_MEMORY, TOO_DEEP = 101, 102
LARGEST = 2**32 - 1  # bytes of a message


def send(stream: IO[bytes], message: object) -> None:
    """Write one message."""
    body = json.dumps(message).encode()
    stream.write(len(body).to_bytes(4, "big") + body)
    stream.flush()


def receive(stream: IO[bytes], most: int = LARGEST) -> dict[str, object] | None:
    """Read one message, or None where the stream ends or holds something else than a message of `most` bytes."""
    head = stream.read(4)
    length = int.from_bytes(head, "big")
    if len(head) < 4 or length > most:
        return None
    body = stream.read(length)
    if len(body) < length:
        return None
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def main() -> int:
    """Answer requests until the input ends."""
    answers = own_standard_output()
    logging.disable(logging.CRITICAL)  # what libraries say about odd pages is no news
    # trafilatura takes it along where it is installed, with numpy: nothing here asks for the language of a page.
    sys.modules["py3langid"] = None  # type: ignore[assignment]
    from llm_engineering.infrastructure.parsers.article import read_page

    read_page("<p>Nothing is imported later.</p>", "", article=True)
    confine(int(sys.argv[1]))
    send(answers, {"ready": True})
    try:
        while (request := receive(sys.stdin.buffer)) is not None:
            limit_processor_time(float(str(request["seconds"])))
            page = read_page(str(request["html"]), str(request["url"]), article=bool(request["article"]))
            send(answers, asdict(page))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # there may be no memory left for an orderly end
    except RecursionError:
        os._exit(TOO_DEEP)
    return 0


def own_standard_output() -> IO[bytes]:
    """Keep standard output for messages: whatever a library prints goes nowhere."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return answers


if __name__ == "__main__":
    sys.exit(main())
