"""Connections that are kept for the next request, and closed by the server in the meantime."""

import socket
import threading
from collections.abc import Iterator

import pytest

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.http import HttpClient

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nfine"


class ForgetfulServer:
    """Answers one request on each connection as if there could be more, and drops the second without a word."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.connections = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/a"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                if connection.recv(65536):
                    connection.sendall(self.answer)
                if self.answer:
                    connection.recv(65536)


@pytest.fixture
def client() -> Iterator[HttpClient]:
    settings = {"respect_robots": False, "retries": 0, "requests_per_second": 1000.0, "timeout_seconds": 5.0}
    with HttpClient(Fetching.model_validate(settings | {"private_hosts": ["127.0.0.1"]})) as opened:
        yield opened


def test_a_kept_connection_that_was_closed_is_replaced_without_counting_as_a_failure(client: HttpClient) -> None:
    server = ForgetfulServer(ANSWER)
    assert [client.get(server.url).content for _ in range(3)] == [b"fine"] * 3
    assert server.connections == 3
    server.listening.close()


def test_a_new_connection_that_is_dropped_is_a_failure_at_once(client: HttpClient) -> None:
    server = ForgetfulServer(b"")
    with pytest.raises(SourceError) as raised:
        client.get(server.url)
    assert raised.value.reason == "unreachable"
    assert server.connections == 1
    server.listening.close()
