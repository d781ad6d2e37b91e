"""Indices as Elasticsearch and OpenSearch keep them, in memory: what `lucene_stand_in` answers from.

Documents are checked against a strict mapping, searches see what was refreshed and nothing later, and every word of a
query that is not known is refused. Painless is not run: the few scripts are known by their text, and computed here
from the doc values that they read.
"""

import base64
import copy
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llm_engineering.infrastructure.vector_stores.lucene.engine import DOT_PRODUCT

MOST_HITS = 10_000
Document = dict[str, Any]


class Refusal(Exception):  # noqa: N818 - an answer
    """An answer that is an error."""

    def __init__(self, status: int, kind: str, why: str) -> None:
        super().__init__(why)
        self.status, self.kind, self.why = status, kind, why

    @property
    def body(self) -> Document:
        cause = {"type": self.kind, "reason": self.why}
        return {"error": {**cause, "root_cause": [cause]}, "status": self.status}


def bad(why: str, kind: str = "parsing_exception") -> Refusal:
    return Refusal(400, kind, why)


def only(body: Mapping[str, Any], *known: str) -> None:
    if unknown := set(body) - set(known):
        raise bad(f"unknown key {sorted(unknown)}")


@dataclass
class Index:
    name: str
    mappings: Document
    settings: Document
    product: str
    documents: dict[str, Document] = field(default_factory=dict)
    visible: dict[str, Document] = field(default_factory=dict)

    def __post_init__(self) -> None:
        only(self.mappings, "dynamic", "_meta", "properties")
        kinds = {"keyword", "text", "integer", "long", "nested", "double", "binary", self.vector_kind}
        for name, one in self.mappings["properties"].items():
            if one.get("type") not in kinds:
                raise bad(
                    f"No handler for type [{one.get('type')}] declared on field [{name}]", "mapper_parsing_exception"
                )
            if one["type"] == "dense_vector" and not 0 < one["dims"] <= 4096:
                raise bad("The number of dimensions should be in the range [1, 4096]", "mapper_parsing_exception")
        if (
            self.product == "opensearch"
            and "dense" in self.mappings["properties"]
            and not self.settings.get("index.knn")
        ):
            raise bad("index.knn is not set")

    @property
    def vector_kind(self) -> str:
        return "knn_vector" if self.product == "opensearch" else "dense_vector"

    @property
    def dimension(self) -> int:
        dense = self.mappings["properties"]["dense"]
        return int(dense["dimension" if self.product == "opensearch" else "dims"])

    def refresh(self) -> None:
        self.visible = dict(self.documents)

    def put(self, key: str, document: Document) -> None:
        if len(key.encode()) > 512:
            raise bad("id is too long")
        for name, value in document.items():
            self._check(name, value, self.mappings["properties"])
        self.documents[key] = copy.deepcopy(document)

    def _check(self, name: str, value: Any, properties: Document) -> None:
        described = properties.get(name)
        if described is None:
            raise bad(
                f"mapping set to strict, dynamic introduction of [{name}] is not allowed",
                "strict_dynamic_mapping_exception",
            )
        kind = described["type"]
        if kind == self.vector_kind:
            if len(value) != self.dimension:
                raise bad(
                    f"The [{kind}] field [{name}] has a different number of dimensions [{len(value)}]",
                    "document_parsing_exception",
                )
            if not any(value) or not np.isfinite(value).all():
                raise bad("The [cosine] similarity does not support vectors with zero magnitude")
            return
        if kind == "binary":
            base64.b64decode(value, validate=True)
            return
        for one in value if isinstance(value, list) else [value]:
            if kind == "nested":
                for inner, content in one.items():
                    self._check(inner, content, described["properties"])
            elif kind in ("integer", "long"):
                bits = 31 if kind == "integer" else 63
                if not isinstance(one, int) or not -(2**bits) <= one < 2**bits:
                    raise bad(f"failed to parse field [{name}] of type [{kind}]", "document_parsing_exception")
            elif kind == "double":
                if not isinstance(one, int | float) or not np.isfinite(float(one)):
                    raise bad(f"failed to parse field [{name}]", "document_parsing_exception")
            elif not isinstance(one, str):
                raise bad(f"failed to parse field [{name}]", "document_parsing_exception")
            elif kind == "keyword" and len(one.encode()) > 32_766:
                raise bad("Document contains at least one immense term", "illegal_argument_exception")

    # Queries: a function from a document to its score, or None where it is no hit

    def query(self, body: Document) -> Callable[[Document], float | None]:
        if len(body) != 1:
            raise bad("[query] malformed, expected one query")
        ((kind, asked),) = body.items()
        reader = getattr(self, f"_{kind}", None)
        if kind not in (
            "match_all",
            "match_none",
            "bool",
            "terms",
            "term",
            "prefix",
            "exists",
            "range",
            "nested",
            "script_score",
            "knn",
        ):
            raise bad(f"unknown query [{kind}]")
        result: Callable[[Document], float | None] = reader(asked)  # type: ignore[misc]
        return result

    def _match_all(self, asked: Document) -> Callable[[Document], float | None]:
        only(asked)
        return lambda document: 1.0

    def _match_none(self, asked: Document) -> Callable[[Document], float | None]:
        only(asked)
        return lambda document: None

    def _bool(self, asked: Document) -> Callable[[Document], float | None]:
        only(asked, "filter", "should", "must_not", "minimum_should_match")
        every = [self.query(one) for one in asked.get("filter", ())]
        some = [self.query(one) for one in asked.get("should", ())]
        none = [self.query(one) for one in asked.get("must_not", ())]
        if some and asked.get("minimum_should_match") != 1:
            raise bad("say minimum_should_match")

        def holds(document: Document) -> float | None:
            fits = (
                all(one(document) is not None for one in every)
                and (not some or any(one(document) is not None for one in some))
                and all(one(document) is None for one in none)
            )
            return 0.0 if fits else None

        return holds

    def _values(self, document: Document, name: str) -> list[Any]:
        value = document.get(name.split(".")[-1])
        return value if isinstance(value, list) else [] if value is None else [value]

    def _field(self, name: str) -> Document:
        found: Document = self.mappings
        for part in name.split("."):
            if part not in found.get("properties", {}):
                return {}  # a field that is not mapped matches nothing
            found = found["properties"][part]
        if found.get("index") is False:
            raise bad(f"Cannot search on field [{name}] since it is not indexed", "query_shard_exception")
        return found

    def _terms(self, asked: Document) -> Callable[[Document], float | None]:
        ((name, wanted),) = asked.items()
        self._field(name)
        if len(wanted) > 65_536:
            raise bad("The number of terms has exceeded the allowed maximum of [65536]")
        values = set(wanted)
        return lambda document: 1.0 if values.intersection(self._values(document, name)) else None

    def _term(self, asked: Document) -> Callable[[Document], float | None]:
        ((name, wanted),) = asked.items()
        return self._terms({name: [wanted]})

    def _prefix(self, asked: Document) -> Callable[[Document], float | None]:
        ((name, wanted),) = asked.items()
        self._field(name)
        return lambda document: 1.0 if any(value.startswith(wanted) for value in self._values(document, name)) else None

    def _exists(self, asked: Document) -> Callable[[Document], float | None]:
        only(asked, "field")
        return lambda document: 1.0 if self._values(document, asked["field"]) else None

    def _range(self, asked: Document) -> Callable[[Document], float | None]:
        ((name, limits),) = asked.items()
        only(limits, "gt", "gte", "lt", "lte")
        if self._field(name).get("type") == "integer" and any(
            not -(2**31) <= limit < 2**31 for limit in limits.values()
        ):
            raise bad("Value out of range", "query_shard_exception")
        signs: dict[str, Callable[[Any, Any], bool]] = {
            "gt": lambda a, b: a > b, "gte": lambda a, b: a >= b, "lt": lambda a, b: a < b, "lte": lambda a, b: a <= b
        }  # fmt: skip
        checks = [(signs[sign], limit) for sign, limit in limits.items()]

        def holds(document: Document) -> float | None:
            values = self._values(document, name)
            return 1.0 if any(all(sign(value, limit) for sign, limit in checks) for value in values) else None

        return holds

    def _nested(self, asked: Document) -> Callable[[Document], float | None]:
        only(asked, "path", "query")
        inner, path = self.query(asked["query"]), asked["path"]
        return lambda document: 1.0 if any(inner(one) is not None for one in document.get(path, ())) else None

    def _script_score(self, asked: Document) -> Callable[[Document], float | None]:
        only(asked, "query", "script")
        only(asked["script"], "source", "params")
        inner, source, given = self.query(asked["query"]), asked["script"]["source"], asked["script"]["params"]
        doc = "doc['dense']" if self.product == "opensearch" else "'dense'"
        if source == f"Math.max(0.0, cosineSimilarity(params.query, {doc}) + 1.0)":
            score = self._cosine(given["query"])
            return lambda document: None if inner(document) is None else max(0.0, score(document) + 1.0)
        if source == DOT_PRODUCT:
            weights = dict(zip(given["terms"], given["weights"], strict=True))
            if list(weights) != sorted(weights):
                raise bad("the stand-in's reading of the script needs ascending terms", "script_exception")

            def product(document: Document) -> float | None:
                if inner(document) is None:
                    return None
                pairs = [
                    (one >> 32, struct.unpack("<f", struct.pack("<I", one & 0xFFFFFFFF))[0])
                    for one in document.get("pairs", ())
                ]
                return float(np.float32(max(0.0, sum(weights.get(term, 0.0) * value for term, value in pairs))))

            return product
        raise bad("this stand-in does not run Painless; it knows the scripts of this project", "script_exception")

    def _cosine(self, query: list[float]) -> Callable[[Document], float]:
        if len(query) != self.dimension:
            raise bad(f"the query vector has a different dimension [{len(query)}]", "query_shard_exception")
        vector = np.asarray(query, np.float32)
        length = np.linalg.norm(vector)

        def score(document: Document) -> float:
            other = np.asarray(document["dense"], np.float32)
            return float(np.float32(vector @ other / (length * np.linalg.norm(other))))

        return score

    def _knn(self, asked: Document) -> Callable[[Document], float | None]:
        if self.product == "opensearch":
            ((_, inside),) = asked.items()
            only(inside, "vector", "k", "filter")
            query, most = inside["vector"], inside["k"]
        else:
            only(asked, "field", "query_vector", "k", "num_candidates", "filter")
            inside, query, most = asked, asked["query_vector"], asked["num_candidates"]
            if asked["k"] > most:
                raise bad("[num_candidates] cannot be less than [k]")
        if not 1 <= most <= MOST_HITS:
            raise bad("[k] and [num_candidates] cannot exceed [10000]", "illegal_argument_exception")
        inner, score = self.query(inside["filter"]), self._cosine(query)
        allowed = sorted(
            ((score(one), key) for key, one in self.visible.items() if inner(one) is not None), reverse=True
        )
        best = {key: (1 + cosine) / 2 for cosine, key in allowed[: inside["k"]]}
        return lambda document: best.get(document["key"])
