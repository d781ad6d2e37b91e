"""A stand-in of the Hugging Face hub: the routes that downloads and commits use, on the loopback interface.

It is not the hub: it keeps files in memory, knows one token, and asks for all files as plain content (no LFS, no Xet).
"""

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_" + "a" * 34
_API = re.compile(
    r"/api/(?:models|datasets)/(?P<repo>[\w.-]+/[\w.-]+)(?:/(?P<what>\w+)(?:/(?P<revision>[\w.-]+))?)?(?:\?.*)?"
)
_FILE = re.compile(r"/(?P<repo>[\w.-]+/[\w.-]+)/resolve/(?P<revision>\w+)/(?P<path>.+)")


@dataclass
class Repository:
    """A repository: its visibility, and its files at each commit."""

    private: bool
    type: str = "model"
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes]) -> str:
        """Add files to those of the newest commit; return the name of the new one."""
        whole = {**(self.files if self.commits else {}), **files}
        name = sha1(repr(sorted(whole.items())).encode(), usedforsecurity=False).hexdigest()
        self.commits[name] = whole
        return name

    @property
    def newest(self) -> str:
        return next(reversed(self.commits), "0" * 40)

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits.get(self.newest, {})


class Hub:
    """The server; `repositories` by OWNER/NAME."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def _handler_of(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if found := _FILE.fullmatch(self.path):
                return self._file(found)
            if (found := _API.fullmatch(self.path)) and (repository := self._seen(found["repo"])):
                name = found["revision"] if found["what"] in ("revision", "tree") else repository.newest
                if name not in repository.commits and name != repository.newest:
                    return self._fails(404, "RevisionNotFound")
                return self._says(self._info(found, repository, name))
            return self._fails(404, "RepoNotFound")

        do_HEAD = do_GET  # noqa: N815 - the library of the server names it

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/api/validate-yaml":
                return self._says({"errors": [], "warnings": []})
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._fails(401, "")
            if self.path == "/api/repos/create":
                return self._create(json.loads(body))
            found = _API.fullmatch(self.path)
            repository = hub.repositories.get(found["repo"]) if found else None
            if found is None or repository is None:
                return self._fails(404, "RepoNotFound")
            if found["what"] == "preupload":
                files = json.loads(body)["files"]
                modes = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in files]
                return self._says({"files": modes})
            lines = [json.loads(line) for line in body.splitlines() if line.strip()]
            sent = [line["value"] for line in lines if line["key"] == "file"]
            commit = repository.commit({one["path"]: base64.b64decode(one["content"]) for one in sent})
            url = f"{hub.url}/{found['repo']}/commit/{commit}"
            return self._says({"success": True, "commitOid": commit, "commitUrl": url})

        def _create(self, wanted: dict[str, Any]) -> None:
            name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
            url = {"url": f"{hub.url}/{name}"}
            if name in hub.repositories:
                return self._says(url, 409)
            private = wanted["private"] if "private" in wanted else wanted.get("visibility") == "private"
            hub.repositories[name] = Repository(bool(private), wanted.get("type") or "model")
            return self._says(url)

        def _seen(self, name: str) -> Repository | None:
            """Return a repository that the caller may see: a private one only with the token."""
            repository = hub.repositories.get(name)
            known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            return repository if repository and (known or not repository.private) else None

        def _info(self, found: re.Match[str], repository: Repository, name: str) -> Any:
            files = repository.commits.get(name, {})
            if found["what"] == "tree":
                return [
                    {"type": "file", "path": path, "size": len(one), "oid": _oid(one)} for path, one in files.items()
                ]
            siblings = [{"rfilename": path} for path in files]
            about = {"id": found["repo"], "sha": name, "private": repository.private}
            return {**about, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0}

        def _file(self, found: re.Match[str]) -> None:
            repository = self._seen(found["repo"])
            content = repository and repository.commits.get(found["revision"], {}).get(found["path"])
            if content is None:
                return self._fails(404, "EntryNotFound")
            headers = {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": found["revision"], "Accept-Ranges": "bytes"}
            return self._sends(200, content, headers)

        def _says(self, answer: Any, status: int = 200) -> None:
            self._sends(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

        def _fails(self, status: int, code: str) -> None:
            self._sends(status, b'{"error": "no"}', {"X-Error-Code": code, "Content-Type": "application/json"})

        def _sends(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler


def _oid(content: bytes) -> str:
    return sha1(content, usedforsecurity=False).hexdigest()
