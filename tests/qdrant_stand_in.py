"""A stand-in for a Qdrant server, for machines on which none can be installed. It is not Qdrant's server.

It listens on loopback and speaks the REST routes that qdrant-client calls for what this project needs. Behind each
collection is a shard of Qdrant Edge, so points, filters, scores and payload indexes are those of the real engine.

What it checks: bodies, with the models of qdrant-client, which refuse unknown fields; that every write says
`wait=true`; the API key; that an alias names a collection that is there and hides none.

What it cannot show: clusters, replication and consensus; durability; HNSW as the server builds it; strict mode, limits
and rate limits as the server applies them; gRPC; speed. For these the suite marked `qdrant_server` runs against a real
one (set LLM_ENGINEERING_QDRANT_URL).

Faults on demand: `go_away`, `answer_next`, `lose_answers`, `slow_down`, `largest_request`; `watch` is called with each
request when it is done and before it is answered.
"""

import json
import re
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import qdrant_edge as edge
from pydantic import TypeAdapter, ValidationError
from qdrant_client import models

VERSION = "1.20.0"


class Refusal(Exception):  # noqa: N818 - an answer
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Collection:
    """A collection: its shard, how it was made, and its metadata."""

    shard: edge.EdgeShard
    folder: Path
    made: models.CreateCollection
    metadata: dict[str, Any] = field(default_factory=dict)


class Listener(ThreadingHTTPServer):
    """A listener that says nothing about clients that were killed."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@dataclass
class StandIn:
    """The state of the server, and the faults that were ordered."""

    version: str = VERSION
    api_key: str = ""
    largest_request: int = 32 * 1024 * 1024
    indexing_threshold: int | None = None
    collections: dict[str, Collection] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    watch: Callable[[str], None] = lambda route: None

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qdrant-stand-in-"))
        self._lock = threading.RLock()
        self._answers: list[tuple[int, str, str]] = []
        self._lost: list[str] = []
        self._pause = 0.0
        self.port = 0
        self._listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Faults

    def go_away(self, seconds: float) -> None:
        """Stop listening; come back on the same port after a while."""
        self._stop()
        threading.Timer(seconds, self._listen).start()

    def answer_next(self, status: int, *, times: int = 1, retry_after: str = "", body: str = "") -> None:
        """Answer the next requests with an error, without doing anything."""
        self._answers += [(status, retry_after, body)] * times

    def lose_answers(self, *routes: str) -> None:
        """For each route, do the next request to it and close the connection instead of answering."""
        self._lost += routes

    def slow_down(self, seconds: float) -> None:
        """Think about every request for a while."""
        self._pause = seconds

    def close(self) -> None:
        self._stop()
        for collection in self.collections.values():
            collection.shard.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listen(self) -> None:
        state = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                state.serve(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = Listener(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # One request

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        parts = urlsplit(handler.path)
        route = f"{handler.command} {parts.path}"
        self.requests.append(route)
        if self._pause:
            time.sleep(self._pause)
        if self._answers:
            status, retry_after, text = self._answers.pop(0)
            headers = {"Retry-After": retry_after} if retry_after else {}
            self._answer(handler, status, text or {"status": {"error": "ordered by the test"}}, headers)
            return
        try:
            self._check(handler, body)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            with self._lock:
                result = self._do(handler.command, parts.path, query, body)
            status, answer = 200, result
        except Refusal as refusal:
            status, answer = refusal.status, {"status": {"error": str(refusal)}, "time": 0.0}
        except ValidationError as error:
            status, answer = 400, {"status": {"error": f"Format error in JSON body: {error}"}, "time": 0.0}
        lost = next((pattern for pattern in self._lost if re.fullmatch(pattern, route)), None)
        if lost is not None:
            self._lost.remove(lost)
            linger = struct.pack("ii", 1, 0)  # close with a reset, as a process that is killed does
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.close_connection = True
            handler.connection.close()
            return
        self.watch(route)
        self._answer(handler, status, answer, {})

    def _check(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if len(body) > self.largest_request:
            raise Refusal(413, "JSON payload is larger than allowed")
        if self.api_key and handler.headers.get("api-key") != self.api_key:
            raise Refusal(401, "Must provide an API key or an Authorization bearer token")

    def _answer(self, handler: BaseHTTPRequestHandler, status: int, answer: object, headers: dict[str, str]) -> None:
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        with suppress(OSError):  # the client has lost its patience
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(content)

    def _do(self, method: str, path: str, query: dict[str, str], body: bytes) -> object:
        if path == "/":
            return {"title": "qdrant stand-in", "version": self.version}
        for (wanted, pattern), (waits, action) in ROUTES.items():
            match = re.fullmatch(pattern, path)
            if wanted == method and match:
                if waits and query.get("wait") != "true":
                    raise Refusal(400, f"{method} {path} without wait=true")
                names = [unquote(part) for part in match.groups()]
                return {"result": action(self, *names, body), "status": "ok", "time": 0.0}
        raise Refusal(404, f"the stand-in has no route {method} {path}")

    # Collections and aliases

    def find(self, name: str) -> Collection:
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise Refusal(404, f"Not found: Collection `{name}` doesn't exist!")
        return found

    def list_collections(self, _: bytes) -> object:
        return {"collections": [{"name": name} for name in self.collections]}

    def exists(self, name: str, _: bytes) -> object:
        return {"exists": self.aliases.get(name, name) in self.collections}

    def create(self, name: str, body: bytes) -> object:
        made = models.CreateCollection.model_validate_json(body)
        if name in self.collections:
            raise Refusal(409, f"Wrong input: Collection `{name}` already exists!")
        if name in self.aliases:
            raise Refusal(400, f"Wrong input: Can't create collection with name {name}. Alias already exists")
        assert isinstance(made.vectors, dict)
        config = edge.EdgeConfig(
            vectors={
                key: edge.EdgeVectorParams(
                    one.size, edge.Distance.Cosine, quantization_config=edge_quantization(one.quantization_config)
                )
                for key, one in made.vectors.items()
            },
            sparse_vectors={
                key: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf if one.modifier else None)
                for key, one in (made.sparse_vectors or {}).items()
            },
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=self.indexing_threshold),
            max_search_threads=1,
            wal_enabled=False,
        )
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        shard = edge.EdgeShard.create(str(folder), config)
        self.collections[name] = Collection(shard, folder, made, dict(made.metadata or {}))
        return True

    def update(self, name: str, body: bytes) -> object:
        changes = models.UpdateCollection.model_validate_json(body)
        for key, value in (changes.metadata or {}).items():
            if value is None:
                self.find(name).metadata.pop(key, None)
            else:
                self.find(name).metadata[key] = value
        return True

    def delete(self, name: str, _: bytes) -> object:
        self.aliases = {alias: target for alias, target in self.aliases.items() if target != name}
        found = self.collections.pop(name, None)
        if found is not None:
            found.shard.close()
            shutil.rmtree(found.folder)
        return found is not None

    def info(self, name: str, _: bytes) -> object:
        found = self.find(name)
        shard = found.shard.info()
        schema = {
            path: {"data_type": one.data_type.__repr__().rpartition(".")[2].lower(), "points": one.points}
            for path, one in shard.payload_schema.items()
        }
        made = found.made.model_dump(mode="json", exclude_none=True)
        params = {"vectors": made["vectors"], "sparse_vectors": made.get("sparse_vectors", {}), "shard_number": 1}
        config = {
            "params": params,
            "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
            "optimizer_config": {
                "deleted_threshold": 0.2,
                "vacuum_min_vector_number": 1000,
                "default_segment_number": 0,
                "flush_interval_sec": 5,
            },
            "metadata": found.metadata,
        }
        counts = {"points_count": shard.points_count, "segments_count": shard.segments_count}
        return {"status": "green", "optimizer_status": "ok", **counts, "config": config, "payload_schema": schema}

    def change_aliases(self, body: bytes) -> object:
        aliases = dict(self.aliases)  # all of the actions or none
        for action in models.ChangeAliasesOperation.model_validate_json(body).actions:
            if isinstance(action, models.CreateAliasOperation):
                create = action.create_alias
                if create.collection_name not in self.collections:
                    raise Refusal(404, f"Not found: Collection `{create.collection_name}` doesn't exist!")
                if create.alias_name in self.collections:
                    raise Refusal(409, f"Wrong input: Collection `{create.alias_name}` already exists!")
                aliases[create.alias_name] = create.collection_name
            elif isinstance(action, models.DeleteAliasOperation):
                aliases.pop(action.delete_alias.alias_name, None)
            else:
                raise Refusal(400, "the stand-in does not rename aliases")
        self.aliases = aliases
        return True

    def list_aliases(self, _: bytes) -> object:
        return {"aliases": [{"alias_name": alias, "collection_name": name} for alias, name in self.aliases.items()]}

    # Points

    def create_index(self, name: str, body: bytes) -> object:
        wanted = models.CreateFieldIndex.model_validate_json(body)
        assert isinstance(wanted.field_schema, models.PayloadSchemaType)
        kind = getattr(edge.PayloadSchemaType, wanted.field_schema.value.capitalize())
        return self._apply(name, edge.UpdateOperation.create_field_index(wanted.field_name, kind))

    def batch(self, name: str, body: bytes) -> object:
        operations = models.UpdateOperations.model_validate_json(body).operations
        return [self._apply(name, edge_operation(operation)) for operation in operations]

    def delete_points(self, name: str, body: bytes) -> object:
        selector: Any = TypeAdapter(models.PointsSelector).validate_json(body)
        return self._apply(name, edge_operation(models.DeleteOperation(delete=selector)))

    def _apply(self, name: str, operation: edge.UpdateOperation) -> object:
        self.find(name).shard.update(operation)
        return {"operation_id": len(self.requests), "status": "completed"}

    def scroll(self, name: str, body: bytes) -> object:
        wanted = models.ScrollRequest.model_validate_json(body)
        records, offset = self.find(name).shard.scroll(
            edge.ScrollRequest(
                offset=wanted.offset,
                limit=wanted.limit,
                filter=edge_filter(wanted.filter),
                with_payload=edge_payload(wanted.with_payload),
                with_vector=bool(wanted.with_vector),
            )
        )
        return {"points": [record_json(one) for one in records], "next_page_offset": str(offset) if offset else None}

    def retrieve(self, name: str, body: bytes) -> object:
        wanted = models.PointRequest.model_validate_json(body)
        payload = edge_payload(wanted.with_payload)
        records = self.find(name).shard.retrieve(list(wanted.ids), payload, bool(wanted.with_vector))
        return [record_json(one) for one in records]

    def count(self, name: str, body: bytes) -> object:
        wanted = models.CountRequest.model_validate_json(body)
        request = edge.CountRequest(exact=bool(wanted.exact), filter=edge_filter(wanted.filter))
        return {"count": self.find(name).shard.count(request)}

    def query(self, name: str, body: bytes) -> object:
        wanted = models.QueryRequest.model_validate_json(body)
        if wanted.limit is not None and wanted.limit < 1:
            raise Refusal(422, "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]")
        found = self.find(name).shard.query(
            edge.QueryRequest(
                limit=wanted.limit or 10,
                query=edge_query(wanted.query, wanted.using),
                prefetches=[edge_prefetch(one) for one in as_list(wanted.prefetch)],
                filter=edge_filter(wanted.filter),
                params=edge_params(wanted.params),
                with_payload=edge_payload(wanted.with_payload),
            )
        )
        hits = [{"id": str(one.id), "version": 0, "score": one.score, "payload": one.payload} for one in found]
        return {"points": hits}


ROUTES: dict[tuple[str, str], tuple[bool, Callable[..., object]]] = {
    ("GET", "/collections"): (False, StandIn.list_collections),
    ("POST", "/collections/aliases"): (False, StandIn.change_aliases),
    ("GET", "/aliases"): (False, StandIn.list_aliases),
    ("GET", "/collections/([^/]+)/exists"): (False, StandIn.exists),
    ("PUT", "/collections/([^/]+)"): (False, StandIn.create),
    ("GET", "/collections/([^/]+)"): (False, StandIn.info),
    ("PATCH", "/collections/([^/]+)"): (False, StandIn.update),
    ("DELETE", "/collections/([^/]+)"): (False, StandIn.delete),
    ("PUT", "/collections/([^/]+)/index"): (True, StandIn.create_index),
    ("POST", "/collections/([^/]+)/points/batch"): (True, StandIn.batch),
    ("POST", "/collections/([^/]+)/points/delete"): (True, StandIn.delete_points),
    ("POST", "/collections/([^/]+)/points"): (False, StandIn.retrieve),
    ("POST", "/collections/([^/]+)/points/scroll"): (False, StandIn.scroll),
    ("POST", "/collections/([^/]+)/points/count"): (False, StandIn.count),
    ("POST", "/collections/([^/]+)/points/query"): (False, StandIn.query),
}


@contextmanager
def stand_in(**settings: Any) -> Iterator[StandIn]:
    """Run a stand-in for a while."""
    server = StandIn(**settings)
    try:
        yield server
    finally:
        server.close()


# From qdrant-client's models to Qdrant Edge's


def edge_operation(operation: models.UpdateOperation) -> edge.UpdateOperation:
    if isinstance(operation, models.UpsertOperation) and isinstance(operation.upsert, models.PointsList):
        return edge.UpdateOperation.upsert_points([edge_point(one) for one in operation.upsert.points])
    if isinstance(operation, models.DeleteOperation):
        if isinstance(operation.delete, models.FilterSelector):
            return edge.UpdateOperation.delete_points_by_filter(edge_filter(operation.delete.filter))
        return edge.UpdateOperation.delete_points(list(operation.delete.points))
    if isinstance(operation, models.SetPayloadOperation) and operation.set_payload.filter:
        change = operation.set_payload
        return edge.UpdateOperation.set_payload_by_filter(edge_filter(change.filter), change.payload)
    raise Refusal(400, f"the stand-in does not know the operation {type(operation).__name__}")


def edge_point(point: models.PointStruct) -> edge.Point:
    assert isinstance(point.vector, dict)
    vectors = {name: edge_vector(vector) for name, vector in point.vector.items()}
    return edge.Point(point.id, vectors, point.payload or {})


def edge_vector(vector: Any) -> Any:
    if isinstance(vector, models.SparseVector):
        return edge.SparseVector(vector.indices, vector.values)
    return np.array(vector, dtype=np.float32)


def edge_query(query: Any, using: str | None) -> Any:
    if isinstance(query, models.NearestQuery):
        return edge_query(query.nearest, using)
    if isinstance(query, models.FusionQuery):
        return edge.Fusion.Rrf(k=2) if query.fusion == models.Fusion.RRF else edge.Fusion.Dbsf()
    if isinstance(query, models.SparseVector | list):
        return edge.Query.Nearest(edge_vector(query), using=using)
    raise Refusal(400, f"the stand-in does not know the query {type(query).__name__}")


def edge_prefetch(prefetch: models.Prefetch) -> edge.Prefetch:
    return edge.Prefetch(
        limit=prefetch.limit or 10,
        query=edge_query(prefetch.query, prefetch.using),
        filter=edge_filter(prefetch.filter),
        prefetches=[edge_prefetch(one) for one in as_list(prefetch.prefetch)],
    )


def edge_params(params: models.SearchParams | None) -> edge.SearchParams | None:
    if params is None:
        return None
    idf = params.idf
    corpus = edge.IdfParams(edge_filter(idf.corpus)) if isinstance(idf, models.IdfCorpusParams) else None
    again = params.quantization
    small = edge.QuantizationSearchParams(bool(again.ignore), again.rescore, again.oversampling) if again else None
    return edge.SearchParams(exact=bool(params.exact), hnsw_ef=params.hnsw_ef, quantization=small, idf=corpus)


def edge_quantization(wanted: Any) -> Any:
    if isinstance(wanted, models.ScalarQuantization):
        return edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=wanted.scalar.quantile)
    return edge.BinaryQuantizationConfig() if isinstance(wanted, models.BinaryQuantization) else None


def edge_payload(wanted: Any) -> Any:
    if isinstance(wanted, models.PayloadSelectorInclude):
        return edge.PayloadSelector.Include(wanted.include)
    return wanted if isinstance(wanted, list) else bool(wanted)


def edge_filter(wanted: models.Filter | None) -> Any:
    if wanted is None:
        return None
    clauses = {
        name: [edge_condition(one) for one in as_list(getattr(wanted, name))] or None
        for name in ("must", "should", "must_not")
    }
    return edge.Filter(**clauses)


def edge_condition(condition: Any) -> Any:
    if isinstance(condition, models.Filter):
        return edge_filter(condition)
    if isinstance(condition, models.IsEmptyCondition):
        return edge.IsEmptyCondition(condition.is_empty.key)
    if isinstance(condition, models.HasIdCondition):
        return edge.HasIdCondition(set(condition.has_id))
    if isinstance(condition, models.FieldCondition):
        if isinstance(condition.range, models.Range):
            limits = condition.range.model_dump(exclude_none=True)
            return edge.FieldCondition(condition.key, range=edge.RangeFloat(**limits))
        if isinstance(condition.match, models.MatchAny):
            return edge.FieldCondition(condition.key, match=edge.MatchAny(list(condition.match.any)))
        if isinstance(condition.match, models.MatchValue):
            value = condition.match.value
            # Qdrant Edge takes Python's True for the number 1, and NumPy's for what it says.
            exact = np.bool_(value) if isinstance(value, bool) else value
            return edge.FieldCondition(condition.key, match=edge.MatchValue(exact))
    raise Refusal(400, f"the stand-in does not know the condition {condition!r}")


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def record_json(record: edge.Record) -> dict[str, object]:
    vectors = record.vector if isinstance(record.vector, dict) else {}
    return {"id": str(record.id), "payload": record.payload, "vector": {k: vector_json(v) for k, v in vectors.items()}}


def vector_json(vector: Any) -> object:
    if isinstance(vector, edge.SparseVector):
        return {"indices": list(vector.indices), "values": list(vector.values)}
    return [float(component) for component in vector]
