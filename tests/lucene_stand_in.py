"""Stand-ins for an Elasticsearch 9 and an OpenSearch 3 server, for machines on which none can be installed.

They are neither. They listen on loopback and speak the routes that this project sends through the official clients,
from indices in memory (`lucene_in_memory`).

What they check: content types and the product header; strict mappings, dimensions and value types; unknown parameters
and words of queries; 10,000 hits at most; that a search sees only what was refreshed; user and password, or the key.

What they cannot show: Painless, shards and replicas, HNSW, the limits and the speed of a real server. For these the
suite marked `search_server` runs against real ones (set LLM_ENGINEERING_ELASTICSEARCH_URL or …_OPENSEARCH_URL).

Faults on demand: `answer_next` gives the next requests other answers; `refuse_items` lets items of bulk requests fail.
"""

import base64
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from lucene_in_memory import MOST_HITS, Document, Index, Refusal, bad, only

JSON = {"elasticsearch": "application/vnd.elasticsearch+json; compatible-with=9", "opensearch": "application/json"}
LINES = {
    "elasticsearch": "application/vnd.elasticsearch+x-ndjson; compatible-with=9",
    "opensearch": "application/x-ndjson",
}
VERSIONS = {"elasticsearch": "9.2.0", "opensearch": "3.1.0"}
PARAMETERS = {
    "_search": {"allow_partial_search_results"}, "_bulk": {"refresh"}, "_doc": {"refresh"}, "_refresh": set(),
    "_update_by_query": {"refresh"}, "_delete_by_query": {"refresh"}, "_mapping": set(), "": set(),
}  # fmt: skip


@dataclass
class StandIn:
    product: str
    user: tuple[str, str] | None = None
    api_key: str = ""
    indices: dict[str, Index] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    answer_next: list[tuple[int, Document]] = field(default_factory=list)
    refuse_items: Callable[[str], tuple[int, str] | None] = lambda key: None
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, target: str, headers: dict[str, str], content: bytes) -> tuple[int, Document]:
        parts = urlsplit(target)
        self.requests.append(f"{method} {parts.path}")
        if self.answer_next:
            return self.answer_next.pop(0)
        try:
            self._check_user(headers.get("authorization", ""))
            self._check_types(parts.path, headers, content)
            given = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            return 200, self._route(method, [unquote(part) for part in parts.path.split("/")[1:]], given, content)
        except Refusal as refusal:
            return refusal.status, refusal.body

    def _check_user(self, said: str) -> None:
        wanted = f"ApiKey {self.api_key}" if self.api_key else ""
        if self.user:
            wanted = "Basic " + base64.b64encode(":".join(self.user).encode()).decode()
        if wanted and said != wanted:
            raise Refusal(401, "security_exception", "unable to authenticate user")

    def _check_types(self, path: str, headers: dict[str, str], content: bytes) -> None:
        wanted = (LINES if path.endswith("/_bulk") else JSON)[self.product]
        said = headers.get("content-type", "").replace("; charset=UTF-8", "")
        if content and said.replace(" ", "").replace(";", "; ") != wanted:
            raise Refusal(406, "media_type_header_exception", f"Content-Type header [{said}] is not supported")

    def _route(self, method: str, path: list[str], given: dict[str, str], content: bytes) -> Document:
        name, action = path[0], path[1] if len(path) > 1 else ""
        if action not in PARAMETERS or set(given) - PARAMETERS[action]:
            raise bad(
                f"request [{path}] contains unrecognized parameter or action: {given}", "illegal_argument_exception"
            )
        if not name:
            return self._greeting()
        if action == "_bulk":
            return self._bulk(self._index(name), content, given)
        body: Document = json.loads(content) if content else {}
        if method == "PUT" and not action:
            return self._create(name, body)
        index = self._index(name)
        if method == "DELETE" and not action:
            del self.indices[name]
            return {"acknowledged": True}
        if action == "_mapping":
            return {name: {"mappings": index.mappings}}
        if action == "_doc":
            index.put(path[2], body)
            if given.get("refresh") == "true":
                index.refresh()
            return {"result": "created"}
        routes: dict[str, Callable[..., Document]] = {
            "_search": self._search, "_update_by_query": self._update, "_delete_by_query": self._remove
        }  # fmt: skip
        if action == "_refresh":
            index.refresh()
            return {"_shards": {"total": 1, "successful": 1, "failed": 0}}
        return routes[action](index, body, given)

    def _greeting(self) -> Document:
        kind = {"distribution": "opensearch"} if self.product == "opensearch" else {"build_flavor": "default"}
        return {"name": "stand-in", "version": {"number": VERSIONS[self.product], **kind}}

    def _index(self, name: str) -> Index:
        if name not in self.indices:
            raise Refusal(404, "index_not_found_exception", f"no such index [{name}]")
        return self.indices[name]

    def _create(self, name: str, body: Document) -> Document:
        if name in self.indices:
            raise bad(f"index [{name}] already exists", "resource_already_exists_exception")
        if name != name.lower() or name.startswith(("_", "-", "+")) or len(name) > 255:
            raise bad("invalid index name", "invalid_index_name_exception")
        only(body, "settings", "mappings")
        known = {"index.number_of_shards", "index.number_of_replicas"}
        more = {
            "opensearch": {"index.knn", "index.knn.derived_source.enabled"},
            "elasticsearch": {"index.mapping.exclude_source_vectors"},
        }[self.product]
        if unknown := set(body["settings"]) - known - more:
            raise bad(f"unknown setting {sorted(unknown)}", "illegal_argument_exception")
        self.indices[name] = Index(name, body["mappings"], body["settings"], self.product)
        return {"acknowledged": True}

    def _bulk(self, index: Index, content: bytes, given: dict[str, str]) -> Document:
        if not content.endswith(b"\n"):
            raise bad("The bulk request must be terminated by a newline [\\n]", "illegal_argument_exception")
        items, lines = [], iter(content.decode().splitlines())
        for line in lines:
            ((action, about),) = json.loads(line).items()
            only(about, "_id")
            document = json.loads(next(lines)) if action == "index" else None
            items.append({action: self._item(index, about["_id"], document)})
        if given.get("refresh") == "true":
            index.refresh()
        return {"errors": any("error" in one for item in items for one in item.values()), "items": items}

    def _item(self, index: Index, key: str, document: Document | None) -> Document:
        if refused := self.refuse_items(key):
            return {"_id": key, "status": refused[0], "error": {"type": refused[1], "reason": "on demand"}}
        if document is None:
            there = index.documents.pop(key, None) is not None
            return {"_id": key, "status": 200 if there else 404, "result": "deleted" if there else "not_found"}
        try:
            index.put(key, document)
        except Refusal as refusal:
            return {"_id": key, "status": refusal.status, "error": {"type": refusal.kind, "reason": refusal.why}}
        return {"_id": key, "status": 201, "result": "created"}

    def _search(self, index: Index, body: Document, given: dict[str, str]) -> Document:
        only(body, "query", "size", "sort", "search_after", "_source", "track_total_hits", "aggs")
        size = body.get("size", 10)
        if size > MOST_HITS:
            raise bad(
                "Result window is too large, from + size must be less than or equal to: [10000]",
                "illegal_argument_exception",
            )
        matches = index.query(body["query"])
        hits = [
            {"_id": key, "_score": score, "document": document}
            for key, document in index.visible.items()
            if (score := matches(document)) is not None
        ]
        answer: Document = {
            "hits": {"hits": self._page(hits, body, size)},
            "timed_out": False,
            "_shards": {"total": 1, "failed": 0},
        }
        most = body.get("track_total_hits", MOST_HITS)
        if most is not False:
            counted = len(hits) if most is True else min(len(hits), most)
            answer["hits"]["total"] = {"value": counted, "relation": "eq" if counted == len(hits) else "gte"}
        if aggregations := body.get("aggs"):
            answer["aggregations"] = {name: self._filters(index, hits, one) for name, one in aggregations.items()}
        return answer

    def _page(self, hits: list[Document], body: Document, size: int) -> list[Document]:
        orders = [next(iter(one.items())) for one in body.get("sort", [{"_score": "desc"}])]

        def place(hit: Document) -> list[Any]:
            values = [hit["_score"] if name == "_score" else hit["document"][name] for name, _ in orders]
            return [-value if order == "desc" else value for value, (_, order) in zip(values, orders, strict=True)]

        hits = sorted(hits, key=place) if "sort" in body else hits
        if (after := body.get("search_after")) is not None:
            hits = [hit for hit in hits if place(hit) > after]
        wanted = body.get("_source")
        return [
            {
                "_id": hit["_id"],
                "_score": hit["_score"],
                "sort": place(hit) if "sort" in body else [],
                "_source": {name: value for name, value in hit["document"].items() if wanted is None or name in wanted},
            }
            for hit in hits[:size]
        ]

    def _filters(self, index: Index, hits: list[Document], asked: Document) -> Document:
        only(asked, "filters")
        each = {name: index.query(one) for name, one in asked["filters"]["filters"].items()}
        return {
            "buckets": {
                name: {"doc_count": sum(matches(hit["document"]) is not None for hit in hits)}
                for name, matches in each.items()
            }
        }

    def _update(self, index: Index, body: Document, given: dict[str, str]) -> Document:
        only(body, "query", "script")
        if body["script"]["source"] != "ctx._source.until = params.until":
            raise bad("this stand-in does not run Painless", "script_exception")
        matches = index.query(body["query"])
        changed = [key for key, document in index.visible.items() if matches(document) is not None]
        for key in changed:
            index.put(key, {**index.documents[key], "until": body["script"]["params"]["until"]})
        index.refresh()
        return {"updated": len(changed), "failures": [], "timed_out": False}

    def _remove(self, index: Index, body: Document, given: dict[str, str]) -> Document:
        only(body, "query", "max_docs")
        matches = index.query(body["query"])
        gone = [key for key, document in index.visible.items() if matches(document) is not None][: body["max_docs"]]
        for key in gone:
            index.documents.pop(key, None)
        index.refresh()
        return {"deleted": len(gone), "failures": [], "timed_out": False}


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def stand_in(product: str, **settings: Any) -> Iterator[StandIn]:
    """Run a stand-in for a server of `elasticsearch` or `opensearch`."""
    server = StandIn(product, **settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with server.lock:
                status, answer = server.answer(self.command, self.path, headers, content)
            body = json.dumps(answer).encode()
            self.send_response(status)
            vendor = "vnd.elasticsearch" in self.headers.get("Accept", "")
            self.send_header("Content-Type", JSON["elasticsearch"].replace("; ", ";") if vendor else "application/json")
            if product == "elasticsearch":
                self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with Listener(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.url = f"http://127.0.0.1:{listener.server_port}"
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
