"""A stand-in for ClickHouse's HTTP server: it hands the SQL to chdb, which is ClickHouse's own engine in a process.

What it does not have: users and rights beyond one password, compression, sessions, replicas. It runs as a process of
its own, because chdb keeps one state for a whole process.
"""

import base64
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

USER, PASSWORD = "tester", "correct-horse-battery"
SET = ("mutations_sync", "insert_deduplicate", "async_insert", "max_query_size")
INSERT = re.compile(rb"\s*(INSERT INTO .*?) FORMAT Native\n", re.DOTALL)
_numbers = count()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    session: Any
    folder: Path
    lock = threading.Lock()

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/ping" else 404, b"Ok.\n")

    def do_POST(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        body = self._body()
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {token}":
            said = "Code: 516. DB::Exception: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)"
            self._answer(403, said.encode(), "516")
            return
        try:
            with self.lock:
                self._answer(200, self._run(asked, body))
        except RuntimeError as error:
            found = re.search(r"Code: (\d+)", str(error))
            self._answer(
                404 if found and found.group(1) in ("60", "81") else 500, str(error).encode(), found and found.group(1)
            )

    def _run(self, asked: dict[str, str], body: bytes) -> bytes:
        self.session.query(f"USE `{asked.get('database', 'default')}`")
        for name in SET:
            if name in asked:
                self.session.query(f"SET {name} = {asked[name]}")
        if (insert := INSERT.match(body)) is not None:
            rows = self.folder / f"insert-{next(_numbers)}.native"
            rows.write_bytes(body[insert.end() :])
            self.session.query(f"{insert.group(1).decode()} FROM INFILE '{rows}' FORMAT Native")
            rows.unlink()
            return b""
        return bytes(self.session.query(body.decode(), "TabSeparated").bytes())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, content: bytes, code: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


def serve() -> None:
    """Serve on a free port, which is printed, until the process is ended."""
    from chdb.session import Session

    with tempfile.TemporaryDirectory(prefix="chdb-") as folder:
        Handler.session, Handler.folder = Session(f"{folder}/data"), Path(folder)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()  # its end is the end of who started this


@contextmanager
def clickhouse_stand_in() -> Iterator[str]:
    """Run the stand-in, and yield an address with a place for `{name}` of a database."""
    pytest.importorskip("clickhouse_connect", reason="ClickHouse's client (extra clickhouse) is not installed")
    pytest.importorskip("chdb", reason="ClickHouse's engine in process (chdb) is not installed")
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        try:
            yield f"clickhouse://{USER}:{PASSWORD}@127.0.0.1:{port}/{{name}}"
        finally:
            server.kill()


def new_clickhouse(server: str) -> str:
    """Create an empty database and return its address."""
    name, parts = f"w{next(_numbers)}", urlsplit(server)
    address = f"http://127.0.0.1:{parts.port}/"
    httpx.post(address, content=f"CREATE DATABASE {name}", auth=(USER, PASSWORD)).raise_for_status()
    return server.format(name=name)


if __name__ == "__main__":
    serve()
