"""A stand-in for the data plane of a Pinecone index, which only Pinecone runs. It is not Pinecone.

It listens on loopback and speaks the routes that this project sends through the official client, from namespaces in
memory. As Pinecone does, it shows a write only after a while: after `lag` further requests to its namespace.

What it checks: the key; the dimension; vectors of zeros; ids; metadata of other types than Pinecone takes or above
40 KB; unknown words of filters; requests above 2 MB, and more rows in one request than Pinecone takes.

What it cannot show: approximate search, limits of rate, speed, cost. For these the suite marked `search_server` runs
against a real index (set LLM_ENGINEERING_PINECONE_URL and LLM_ENGINEERING_PINECONE_API_KEY).
"""

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

Rows = dict[str, dict[str, Any]]
SIGNS = {
    "$gt": lambda a, b: a > b, "$gte": lambda a, b: a >= b, "$lt": lambda a, b: a < b, "$lte": lambda a, b: a <= b
}  # fmt: skip


class Refusal(Exception):  # noqa: N818 - an answer
    """An answer that is an error."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass
class Namespace:
    rows: Rows = field(default_factory=dict)
    visible: Rows = field(default_factory=dict)
    written: int = 0
    seen: int = 0
    waits: int = 0


@dataclass
class StandIn:
    dimension: int = 4
    metric: str = "cosine"
    key: str = "pc-stand-in"
    lag: int = 2
    says_positions: bool = True
    namespaces: dict[str, Namespace] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def answer(self, method: str, target: str, key: str, content: bytes) -> tuple[int, dict[str, Any], int | None]:
        parts = urlsplit(target)
        self.requests.append(f"{method} {parts.path}")
        if parts.path == "/":
            return 404, {"message": "not found"}, None
        if key != self.key:
            return 401, {"message": "Invalid API Key"}, None
        if len(content) > 2_000_000:
            return 413, {"message": "Request size exceeds 2MB"}, None
        given: dict[str, Any] = dict(parse_qs(parts.query))
        given |= json.loads(content) if content else {}
        route = f"on_{method}_{parts.path.strip('/').split('/')[-1]}".lower()
        if parts.path.startswith("/namespaces/"):
            given, route = {"namespace": unquote(parts.path.split("/")[2])}, "on_delete_namespace"
        try:
            return 200, *getattr(self, route)(given)
        except Refusal as refusal:
            return refusal.status, {"message": str(refusal), "code": 3}, None

    def on_post_describe_index_stats(self, given: dict[str, Any]) -> Any:
        return {"dimension": self.dimension, "metric": self.metric, "namespaces": {}, "vectorType": "dense"}, None

    def on_post_upsert(self, given: dict[str, Any]) -> Any:
        if not 0 < len(given["vectors"]) <= 1_000:
            raise Refusal(400, "Vectors array must hold 1 to 1000 vectors")
        for row in given["vectors"]:
            self._check(row)
        space = self.namespaces.setdefault(given["namespace"], Namespace())
        space.rows |= {row["id"]: copy.deepcopy(row) for row in given["vectors"]}
        return {"upsertedCount": len(given["vectors"])}, self._written(space)

    def _check(self, row: dict[str, Any]) -> None:
        if len(row["values"]) != self.dimension:
            raise Refusal(
                400, f"Vector dimension {len(row['values'])} does not match the dimension of the index {self.dimension}"
            )
        if not any(row["values"]):
            raise Refusal(400, "Dense vectors must contain at least one non-zero value")
        if not row["id"].isascii() or not 0 < len(row["id"]) <= 512:
            raise Refusal(400, "Invalid id")
        about = row.get("metadata", {})
        if len(json.dumps(about)) > 40_960:
            raise Refusal(400, "Metadata size is above the limit of 40960 bytes per vector")
        for value in about.values():
            texts = value if isinstance(value, list) else [value]
            if not all(isinstance(one, str) for one in texts) and not isinstance(value, int | float | bool):
                raise Refusal(400, "Metadata value must be a string, number, boolean or list of strings")

    def on_post_delete(self, given: dict[str, Any]) -> Any:
        space = self._space(given["namespace"])
        if len(given.get("ids", ())) > 1_000:
            raise Refusal(400, "Too many ids")
        for known in list(space.rows) if given.get("deleteAll") else given["ids"]:
            space.rows.pop(known, None)
        self._written(space)
        return {}, None

    def on_delete_namespace(self, given: dict[str, Any]) -> Any:
        self._space(given["namespace"])
        del self.namespaces[given["namespace"]]
        return {}, None

    def on_post_query(self, given: dict[str, Any]) -> Any:
        if not 1 <= given["topK"] <= 10_000 or len(given["vector"]) != self.dimension:
            raise Refusal(400, "topK or the dimension of the vector is out of bounds")
        space = self._read(given["namespace"][0] if isinstance(given["namespace"], list) else given["namespace"])
        query = np.asarray(given["vector"], np.float32)

        def score(row: dict[str, Any]) -> float:
            other = np.asarray(row["values"], np.float32)
            return float(query @ other / (np.linalg.norm(query) * np.linalg.norm(other)))

        found = [row for row in space.visible.values() if fits(row.get("metadata", {}), given.get("filter"))]
        matches = sorted(
            ({"id": row["id"], "score": score(row)} for row in found), key=lambda hit: -float(str(hit["score"]))
        )
        return {"matches": matches[: given["topK"]], "namespace": ""}, space.seen

    def on_get_fetch(self, given: dict[str, Any]) -> Any:
        if len(given["ids"]) > 1_000:
            raise Refusal(400, "Too many ids")
        space = self._read(given["namespace"][0])
        return {"vectors": {one: space.visible[one] for one in given["ids"] if one in space.visible}}, space.seen

    def on_get_list(self, given: dict[str, Any]) -> Any:
        space, limit = self._read(given["namespace"][0]), int(given["limit"][0])
        after, prefix = given.get("paginationToken", [""])[0], given.get("prefix", [""])[0]
        listed = sorted(known for known in space.visible if known.startswith(prefix) and known > after)
        more = {"pagination": {"next": listed[limit - 1]}} if len(listed) > limit else {}
        return {"vectors": [{"id": known} for known in listed[:limit]], **more}, space.seen

    def on_post_fetch_by_metadata(self, given: dict[str, Any]) -> Any:
        space, limit, after = self._read(given["namespace"]), given["limit"], given.get("paginationToken", "")
        found = sorted(
            known
            for known, row in space.visible.items()
            if known > after and fits(row.get("metadata", {}), given["filter"])
        )
        more = {"pagination": {"next": found[limit - 1]}} if len(found) > limit else {}
        return {"vectors": {known: space.visible[known] for known in found[:limit]}, **more}, space.seen

    def _space(self, name: str) -> Namespace:
        if name not in self.namespaces:
            raise Refusal(404, "Namespace not found")
        return self.namespaces[name]

    def _written(self, space: Namespace) -> int:
        space.written += 1
        space.waits = self.lag
        return space.written

    def _read(self, name: str) -> Namespace:
        space = self._space(name)
        if space.waits:
            space.waits -= 1
        if not space.waits:
            space.visible, space.seen = dict(space.rows), space.written
        return space


def fits(about: dict[str, Any], said: dict[str, Any] | None) -> bool:
    for name, wanted in (said or {}).items():
        if name in ("$and", "$or"):
            if not wanted:
                raise Refusal(400, f"{name} needs conditions")
            found = [fits(about, one) for one in wanted]
            if not (all(found) if name == "$and" else any(found)):
                return False
            continue
        for sign, value in wanted.items():
            if not _holds(about.get(name), sign, value):
                return False
    return True


def _holds(stored: Any, sign: str, value: Any) -> bool:
    if sign == "$exists":
        return (stored is not None) == value
    if sign == "$in":
        if not 0 < len(value) <= 10_000:
            raise Refusal(400, "$in needs 1 to 10000 values")
        return bool(set(value).intersection(stored if isinstance(stored, list) else [stored]))
    if sign not in SIGNS:
        raise Refusal(400, f"unknown operator {sign}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(400, f"the {sign} operator must be followed by a number")
    return isinstance(stored, int | float) and SIGNS[sign](stored, value)


@contextmanager
def stand_in(**settings: Any) -> Iterator[StandIn]:
    """Run a stand-in for a Pinecone index."""
    server = StandIn(**settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with server.lock:
                status, answer, position = server.answer(
                    self.command, self.path, self.headers.get("Api-Key", ""), content
                )
                body = json.dumps(answer).encode()
            self.send_response(status)
            if position is not None and server.says_positions:
                name = "committed" if self.path == "/vectors/upsert" else "reconciled"
                self.send_header(f"x-pinecone-lsn-{name}", str(position))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.url = f"http://127.0.0.1:{listener.server_port}"
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
