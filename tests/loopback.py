"""Servers on the loopback interface for tests of the HTTP client, and a dialer that leads to them."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpcore

ARTICLE = b"<html><body><article><h1>Cod</h1>" + b"<p>The cod is a fish of cold seas, and it is eaten.</p>" * 20


class Canary:
    """A server on the loopback interface that must never see a connection."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    def was_touched(self) -> bool:
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True


class Loopback:
    """A server at 127.0.0.1 that is on the list; `answers` maps paths to status and headers."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str]]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                site.requests.append((self.path, headers))
                status, sent = site.answers.get(self.path, (404 if self.path == "/robots.txt" else 200, {}))
                body = ARTICLE if status == 200 else b""
                self.send_response(status)
                for name, value in {"Content-Type": "text/html", "Content-Length": str(len(body)), **sent}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda request, address: None  # type: ignore[method-assign]
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def redirect(self, path: str, to: str, **headers: str) -> str:
        self.answers[path] = (302, {"Location": to, **headers})
        return self.url + path

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class ToLoopback(httpcore.NetworkBackend):
    """Connects to a server of the test instead of the checked address that it is given, and remembers that address."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.dialled: list[tuple[str, int]] = []

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *rest: Any, **more: Any
    ) -> httpcore.NetworkStream:
        self.dialled.append((host, port))
        if not self.port:
            raise httpcore.ConnectError("nobody listens here")
        return httpcore.SyncBackend().connect_tcp("127.0.0.1", self.port, timeout)
