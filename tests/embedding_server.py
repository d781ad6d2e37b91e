"""A small server that speaks OpenAI's embeddings API, well or, as a test wishes, badly."""

import base64
import json
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from llm_engineering.infrastructure.embedders import Hashing

# Returns status, headers and body; None: as a good server does.
Behaviour = Callable[[dict[str, Any], int], "tuple[int, dict[str, str], bytes] | None"]


class EmbeddingServer:
    """Answers with the vectors of the hashing embedder, twice as long as unit vectors, in reverse order."""

    def __init__(self, dimension: int = 32) -> None:
        self.dimension = dimension
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.behaviour: Behaviour | None = None
        self.drip = 0.0
        self._embedder = Hashing(dimension=dimension, max_tokens=8192).open(Path())
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server._answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda request, address: None  # type: ignore[method-assign, assignment]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def vectors(self, texts: Sequence[str]) -> list[list[float]]:
        return [[2 * number for number in self._embedder.embed_query(text)] for text in texts]

    def entries(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        found = enumerate(self.vectors(request["input"]))
        as_text = request.get("encoding_format") == "base64"
        entries = [
            {"object": "embedding", "index": index, "embedding": encoded(vector) if as_text else vector}
            for index, vector in found
        ]
        return entries[::-1]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.paths.append(handler.path)
        self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        self.requests.append(request)
        told = self.behaviour(request, len(self.requests)) if self.behaviour else None
        status, headers, body = told or (200, {}, reply(self.entries(request)))
        handler.send_response(status)
        sent = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        for name, value in sent.items():
            handler.send_header(name, value)
        handler.end_headers()
        for place in range(0, len(body), 20 if self.drip else max(len(body), 1)):
            handler.wfile.write(body[place : place + 20] if self.drip else body)
            time.sleep(self.drip)


def encoded(vector: Sequence[float]) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def reply(entries: Sequence[object]) -> bytes:
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "data": list(entries), "model": "another-name", "usage": usage}).encode()


def failure(status: int, code: str = "", message: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
    body = {"error": {"message": message, "type": "some_error", "code": code}}
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode()
