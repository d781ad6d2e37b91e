"""The engine of Elasticsearch and OpenSearch: a row is a document, the books are an index of their own."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from loguru import logger

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.infrastructure.vector_stores.lucene.documents import (
    SLIM,
    WHOLE,
    bodies,
    document,
    mapping,
    row_of,
    signed,
)
from llm_engineering.infrastructure.vector_stores.lucene.indices import Indices
from llm_engineering.infrastructure.vector_stores.lucene.queries import expresses, query_of
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine, Row
from llm_engineering.infrastructure.vector_stores.versioned.generations import FOREIGN
from llm_engineering.infrastructure.vector_stores.versioned.payloads import decoded

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.lucene.server import Server
    from llm_engineering.infrastructure.vector_stores.lucene.spec import LuceneSpec

# A server gives at most 10,000 hits from one search.
MOST_HITS = 10_000
PAGE, PAGE_WITH_VECTORS = 2_000, 500
TERMS_PER_REQUEST = 500
# A shard that is away is an error, not a shorter answer.
WHOLE_ANSWERS = {"allow_partial_search_results": False}
# Pairs and the terms of the query both ascend.
DOT_PRODUCT = (
    "double score = 0; int at = 0; def terms = params.terms; def weights = params.weights; "
    "for (long pair : doc['pairs']) { long term = pair >> 32; "
    "while (at < terms.size() && terms.get(at) < term) { at++; } "
    "if (at == terms.size()) { break; } "
    "if (terms.get(at) == term) { score += weights.get(at) * Float.intBitsToFloat((int) (pair & 4294967295L)); } } "
    "return Math.max(0.0, score);"
)


class LuceneEngine(Engine):
    """Rows as the documents of a table's index."""

    def __init__(self, server: "Server", spec: "LuceneSpec") -> None:
        self._server = server
        self._spec = spec
        self._indices = Indices(server, spec)
        self._unseen: set[str] = set()

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return self._spec.capabilities

    def records(self, prefix: str) -> Mapping[str, str]:
        body = {"query": {"prefix": {"key": prefix}}, "size": MOST_HITS}
        found = self._server.ask(
            "POST", f"/{self._indices.name('records')}/_search", body, absent=True, **WHOLE_ANSWERS
        )
        hits = found.get("hits", {}).get("hits", ())
        return {hit["_source"]["key"]: hit["_source"]["value"] for hit in hits}

    def put(self, key: str, value: str) -> None:
        index = self._indices.books()
        self._server.ask("PUT", f"/{index}/_doc/{quote(key, safe='')}", {"key": key, "value": value}, refresh=True)

    def forget(self, keys: Sequence[str]) -> None:
        self._delete(self._indices.books(), keys, refresh=True)

    def create(self, table: str, dimension: int, fields: Sequence[str]) -> None:
        index = self._indices.name(table)
        if self._indices.mapping(table) is None:
            self._indices.make(index, mapping(self._server.vectors(dimension), fields), self._server.settings())
        found = self._indices.dimension(table)
        if found != dimension:
            raise UsageError(
                f"the index {index} holds vectors of {found} components, and the model makes {dimension}; choose "
                "another name under load: collection, or another load: store: prefix"
            )

    def drop(self, table: str) -> None:
        self._indices.gone(table)
        self._unseen.discard(table)
        self._server.ask("DELETE", f"/{self._indices.name(table)}", absent=True)

    def indexed(self, table: str) -> Collection[str]:
        found = self._indices.mapping(table) or {}
        return tuple((found.get("_meta") or {}).get("fields", ()))

    def write(self, table: str, rows: Sequence[Row]) -> None:
        index = self._indices.name(table)
        self._unseen.add(table)
        for body in bodies(({"index": {"_id": row.key}}, document(row)) for row in rows):
            self._server.ask("POST", f"/{index}/_bulk", body)

    def end(self, table: str, condition: Condition, generation: int) -> None:
        script = {"source": "ctx._source.until = params.until", "params": {"until": generation}}
        body = {"query": query_of(condition), "script": script}
        self._seen(table)
        self._server.ask("POST", f"/{self._indices.name(table)}/_update_by_query", body, refresh=True)

    def remove(self, table: str, condition: Condition) -> None:
        body = {"query": query_of(condition), "max_docs": MOST_HITS}
        self._seen(table)
        path = f"/{self._indices.name(table)}/_delete_by_query"
        # In parts, so that each request ends in time.
        while self._server.ask("POST", path, body, refresh=True)["deleted"] >= MOST_HITS:
            logger.debug("{:,} more rows are removed from {}", MOST_HITS, table)

    def discard(self, table: str, keys: Sequence[str]) -> None:
        self._delete(self._indices.name(table), keys, refresh=True)

    def rows(self, table: str, condition: Condition, *, vectors: bool) -> Iterator[Row]:
        dimension = (self._indices.dimension(table) or 0) if vectors else 0
        wanted, size = (WHOLE, PAGE_WITH_VECTORS) if vectors else (SLIM, PAGE)
        if condition == FOREIGN:
            yield from self._foreign(table)
            return
        # The key goes on where the last page ended, whatever is written meanwhile, and needs nothing of the server.
        query = {"bool": {"filter": [query_of(condition), {"exists": {"field": "key"}}]}}
        body: dict[str, Any] = {"query": query, "size": size, "sort": [{"key": "asc"}], "_source": wanted}
        while True:
            hits = self._search(table, body)["hits"]
            for hit in hits:
                yield row_of(hit, dimension)
            if len(hits) < size:
                return
            body["search_after"] = hits[-1]["sort"]

    def count(self, table: str, condition: Condition) -> int:
        return int(
            self._search(table, {"query": query_of(condition), "size": 0, "track_total_hits": True})["total"]["value"]
        )

    def nearest(self, table: str, vector: Vector, condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        query, allowed = vector.tolist(), query_of(condition)
        if self._are_many(table, allowed):
            hits = self._best(table, self._server.approximate(query, allowed, limit), limit)
            if len(hits) == limit:
                return [ScoredPoint(hit.id, 2 * hit.score - 1, hit.payload) for hit in hits]
        script = {"source": self._server.cosine, "params": {"query": query}}
        hits = self._best(table, _scored(allowed, script), limit)
        return [ScoredPoint(hit.id, hit.score - 1, hit.payload) for hit in hits]

    def expresses(self, condition: Condition) -> bool:
        return expresses(condition)

    def frequencies(self, table: str, terms: Collection[int], condition: Condition) -> tuple[int, Mapping[int, int]]:
        total, holders, listed = 0, dict[int, int](), list(terms)
        query = {"bool": {"filter": [query_of(condition), {"exists": {"field": "pairs"}}]}}
        for start in range(0, max(len(listed), 1), TERMS_PER_REQUEST):
            part = listed[start : start + TERMS_PER_REQUEST]
            each = {str(term): {"term": {"terms": str(term)}} for term in part}
            counted = {"aggs": {"held": {"filters": {"filters": each}}}} if each else {}
            body = {"query": query, "size": 0, "track_total_hits": True, **counted}
            answer = self._asked(table, body)
            total = int(answer["hits"]["total"]["value"])
            buckets = answer["aggregations"]["held"]["buckets"] if each else {}
            holders |= {int(term): int(bucket["doc_count"]) for term, bucket in buckets.items()}
        return total, holders

    def best(self, table: str, weights: Mapping[int, float], condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        pairs = sorted((signed(term), weight) for term, weight in weights.items())
        listed = {"terms": [term for term, _ in pairs], "weights": [float(weight) for _, weight in pairs]}
        some = {"terms": {"terms": [str(term) for term in weights]}}
        allowed = {"bool": {"filter": [some, query_of(condition)]}}
        hits = self._best(table, _scored(allowed, {"source": DOT_PRODUCT, "params": listed}), limit)
        return [hit for hit in hits if hit.score > 0]

    def flush(self, table: str) -> None:
        # What was answered is in the server's log on disk; this lets others see it.
        self._unseen.add(table)
        self._seen(table)

    def close(self) -> None:
        self._server.close()

    def _delete(self, index: str, keys: Sequence[str], *, refresh: bool) -> None:
        for body in bodies(({"delete": {"_id": key}}, None) for key in keys):
            self._server.ask("POST", f"/{index}/_bulk", body, refresh=refresh)

    def _foreign(self, table: str) -> Iterator[Row]:
        hits = self._search(table, {"query": query_of(FOREIGN), "size": MOST_HITS, "_source": SLIM})["hits"]
        if len(hits) == MOST_HITS:
            logger.warning("{} holds documents of somebody else; the first {:,} are taken", table, MOST_HITS)
        yield from map(row_of, hits)

    def _are_many(self, table: str, filter: Mapping[str, Any]) -> bool:
        """Return whether more rows than `exact_up_to` are allowed; it counts no further."""
        most = self._spec.exact_up_to
        found = self._search(table, {"query": filter, "size": 0, "track_total_hits": most + 1})
        return int(found["total"]["value"]) > most

    def _best(self, table: str, query: Mapping[str, Any], limit: int) -> Sequence[ScoredPoint]:
        order = [{"_score": "desc"}, {"id": "asc"}]
        body = {"query": query, "size": limit, "sort": order, "_source": ["id", "payload"], "track_total_hits": False}
        hits = self._search(table, body)["hits"]
        return [ScoredPoint(hit["_source"]["id"], hit["_score"], decoded(hit["_source"]["payload"])) for hit in hits]

    def _search(self, table: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._asked(table, body)["hits"]
        return found

    def _asked(self, table: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        self._seen(table)
        return self._server.ask("POST", f"/{self._indices.name(table)}/_search", body, **WHOLE_ANSWERS)

    def _seen(self, table: str) -> None:
        """Let searches see what was written: these servers do so once in a while of their own accord."""
        if table in self._unseen:
            self._unseen.discard(table)
            try:
                self._server.ask("POST", f"/{self._indices.name(table)}/_refresh")
            except BaseException:
                self._unseen.add(table)
                raise


def _scored(filter: Mapping[str, Any], script: Mapping[str, Any]) -> dict[str, Any]:
    return {"script_score": {"query": {"bool": {"filter": [filter]}}, "script": script}}
