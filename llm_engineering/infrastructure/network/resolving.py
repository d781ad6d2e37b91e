"""Asks this machine's resolver for the addresses of a name, and waits only so long."""

import socket
import threading
from queue import Empty, SimpleQueue

from llm_engineering.domain.errors import SourceError


def system_addresses(name: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of a name in the order of the resolver.

    `getaddrinfo` knows no time-out, so it runs in a thread that is left behind when it takes too long.

    Raises:
        SourceError: `unreachable` if the name has no address, `timeout`.
    """
    answers: SimpleQueue[list[str] | OSError | UnicodeError] = SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            answers.put([str(address[0]) for *_, address in found])
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=max(seconds, 0.001))
    except Empty as error:
        raise SourceError("timeout", f"the address of {name} was not found within {seconds:.1f} s") from error
    if isinstance(answer, list):
        return answer
    raise SourceError("unreachable", f"no address for the name {name}: {answer}; check its spelling") from answer
