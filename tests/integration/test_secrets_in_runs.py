"""A secret goes through a real ZenML run by reference, and is found nowhere afterwards; a planted pickle never runs."""

import base64
import json
import os
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from command_lines import config_file, tool

pytestmark = pytest.mark.slow

SECRET = "c4n4ry-S3cret/Value+9931"


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


@contextmanager
def server() -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """Serve a record, an article, a redirect that carries the query on, and errors; note what was asked."""
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization")))
            page, _, query = self.path.partition("?")
            if page == "/redirect":
                self.send_response(302)
                self.send_header("Location", f"/page?moved=1&{query}")
                self.end_headers()
            elif page in ("/data.json", "/page"):
                record = json.dumps([{"text": "a record about whales"}])
                body = (
                    record if page == "/data.json" else "<title>P</title><p>" + "Words of mountains. " * 30
                ).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json" if page == "/data.json" else "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            else:
                self.send_error(404 if page == "/robots.txt" else 500)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{running.server_port}", asked
        running.shutdown()


def spellings(secret: str) -> set[bytes]:
    basic = base64.b64encode(f"me:{secret}".encode())
    texts = (secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1])
    return {basic, secret.encode("utf-16-le"), *(text.encode() for text in texts)}


def holding(home: Path, needles: set[bytes]) -> list[Path]:
    files = [file for file in home.rglob("*") if file.is_file()]
    assert len(files) > 50
    return [file for file in files if any(needle in file.read_bytes() for needle in needles)]


def test_a_secret_by_reference_is_in_no_file_of_the_home(tmp_path: Path) -> None:
    home, canary = tmp_path / "home", tmp_path / "canary"
    with server() as (host, asked):
        config = config_file(
            tmp_path,
            f"{{kind: json, url: 'http://me:${{env:PW}}@{host}/data.json?api_key=${{env:PW}}', template: '{{text}}'}}",
            f"{{kind: json, name: broken, url: 'http://{host}/fail?token=${{env:PW}}', template: '{{text}}'}}",
            f"{{kind: web, urls: ['http://{host}/redirect?sig=${{env:PW}}', 'http://me:${{env:PW}}@{host}/fail']}}",
            "{kind: git, url: 'https://me:${env:PW}@127.0.0.1:1/r.git'}",
            "{kind: memory, name: m, documents: {a.md: 'write ${HOME} and ${NO_SUCH_NAME} as they are'}}",
            more="limits: {failures: null}\n",
        )
        fast = config.read_text().replace(
            "ingest:\n", "ingest:\n  fetching: {retries: 0, requests_per_second: 100, private_hosts: [127.0.0.1]}\n"
        )
        config.write_text(fast)
        first = tool(home, "run", "feature", "--config", str(config), "--json", PW=SECRET)
        report = first.last_line
        assert (report["new"], report["failed"]) == (3, 3), first.err[-2000:]
        for pickled in ("artifact.pkl", "data.pkl"):
            for folder in [folder for folder in (home / "zenml").rglob("*") if folder.is_dir()]:
                (folder / pickled).write_bytes(pickle.dumps(Bomb(canary)))
        second = tool(home, "run", "feature", "--config", str(config), "--json", PW=SECRET)
    assert (second.last_line["unchanged"], second.last_line["failed"]) == (3, 3)
    assert any(quote(SECRET, safe="") in path for path, _ in asked)
    assert any(authorization is not None for _, authorization in asked)
    needles = spellings(SECRET)
    assert not holding(home, needles)
    assert not [run for run in (first, second) if any(needle in (run.out + run.err).encode() for needle in needles)]
    assert not canary.exists()
    hits = tool(home, "search", "write as they are", "--config", str(config), "-k", "1", "--json").last_line
    assert hits[0]["text"] == "write ${HOME} and ${NO_SUCH_NAME} as they are"
