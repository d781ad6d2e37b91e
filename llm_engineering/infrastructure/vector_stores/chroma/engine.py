"""The engine of `Chroma`: a collection of Chroma for each version, one for the records.

A row's document holds its sparse vector and its payload, its metadata what filters and searches by terms ask for.
Chroma's own sparse vectors exist in its cloud only; here the rows that hold a term are asked for, and scored by us.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.infrastructure.vector_stores.batches import in_parts
from llm_engineering.infrastructure.vector_stores.chroma.client import or_missing
from llm_engineering.infrastructure.vector_stores.chroma.conditions import expresses, where
from llm_engineering.infrastructure.vector_stores.chroma.rows import (
    both,
    document_of,
    dot,
    holding_one_of,
    metadata_of,
    parsed,
    point_of,
)
from llm_engineering.infrastructure.vector_stores.folder_lock import writing_alone
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine, Row
from llm_engineering.infrastructure.vector_stores.versioned.vectors import (
    NO_DENSE,
    NO_SPARSE,
    dense_of,
)

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.chroma.client import ChromaClient
    from llm_engineering.infrastructure.vector_stores.chroma.spec import Chroma

BOOKS = "le_records"
PAGE = 1_000
# How many terms one request asks for.
TERMS = 32


class ChromaEngine(Engine):
    """The collections of one folder or server."""

    def __init__(self, client: "ChromaClient", spec: "Chroma") -> None:
        self._client = client
        self._spec = spec

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return self._spec.capabilities

    def records(self, prefix: str) -> Mapping[str, str]:
        def read(client: Any) -> dict[str, str]:
            with or_missing():
                found = client.get_collection(BOOKS, embedding_function=None).get(include=["documents"])
                return dict(zip(found["ids"], found["documents"], strict=True))
            return {}

        held = self._client.run(read) if self._client.exists() else {}
        return {key: value for key, value in held.items() if key.startswith(prefix)}

    def put(self, key: str, value: str) -> None:
        def set_record(client: Any) -> None:
            books = client.get_or_create_collection(BOOKS, embedding_function=None)
            books.upsert(ids=[key], embeddings=[[1.0]], documents=[value])

        self._client.run(set_record)

    def forget(self, keys: Sequence[str]) -> None:
        def delete(client: Any) -> None:
            with or_missing():
                client.get_collection(BOOKS, embedding_function=None).delete(ids=list(keys))

        self._client.run(delete)

    def create(self, table: str, dimension: int, fields: Sequence[str]) -> None:
        about = {"dimension": dimension, "fields": "\n".join(fields)}
        graph = {
            "space": "ip",
            "ef_search": self._spec.ef_search,
            "max_neighbors": self._spec.m,
            "ef_construction": self._spec.ef_construction,
        }

        def make(client: Any) -> Any:
            return client.get_or_create_collection(
                table, embedding_function=None, configuration={"hnsw": graph}, metadata=about
            ).metadata

        found = (self._client.run(make) or {}).get("dimension")
        if found != dimension:
            raise UsageError(
                f"the collection {table} of Chroma holds vectors of {found} components, and the model makes "
                f"{dimension}; choose another name under load: collection"
            )

    def drop(self, table: str) -> None:
        def remove(client: Any) -> None:
            with or_missing():
                client.delete_collection(table)

        self._client.run(remove)

    def indexed(self, table: str) -> Collection[str]:
        # Chroma has an index over all metadata.
        about = self._client.run(lambda client: client.get_collection(table, embedding_function=None).metadata)
        return tuple(str((about or {}).get("fields", "")).splitlines())

    def write(self, table: str, rows: Sequence[Row]) -> None:
        def upsert(client: Any) -> None:
            into = client.get_collection(table, embedding_function=None)
            most = client.get_max_batch_size()
            for part in in_parts(rows, min(most, PAGE)):
                keys = [row.key for row in part]
                # Chroma adds to the metadata of a row that is there, and would keep what the new one lacks.
                if there := into.get(ids=keys, include=[])["ids"]:
                    into.delete(ids=there)
                into.upsert(
                    ids=keys,
                    embeddings=[np.frombuffer(row.dense, dtype=np.float32) for row in part],
                    metadatas=[metadata_of(row) for row in part],
                    documents=[document_of(row) for row in part],
                )

        self._client.run(upsert)

    def end(self, table: str, condition: Condition, generation: int) -> None:
        for keys in in_parts(self._keys(table, condition), PAGE):
            self._collection(table, "update", ids=keys, metadatas=[{"until": generation}] * len(keys))

    def remove(self, table: str, condition: Condition) -> None:
        self.discard(table, self._keys(table, condition))

    def discard(self, table: str, keys: Sequence[str]) -> None:
        for part in in_parts(list(keys), PAGE):
            self._collection(table, "delete", ids=part)

    def rows(self, table: str, condition: Condition, *, vectors: bool) -> Iterator[Row]:
        wanted = ["documents", "metadatas", *(["embeddings"] if vectors else [])]
        # By key, because pages by number would leave rows out when others are removed meanwhile.
        for keys in in_parts(self._keys(table, condition), PAGE):
            found = self._collection(table, "get", ids=keys, include=wanted)
            for number, key in enumerate(found["ids"]):
                about, text = found["metadatas"][number] or {}, found["documents"][number] or ""
                first = int(about.get("first", 0)) if about.get("ours") else 0
                sparse, payload = parsed(text) if first else (NO_SPARSE, {})
                dense = dense_of(np.asarray(found["embeddings"][number], np.float32).tobytes()) if vectors else NO_DENSE
                known = str(about["id"]) if first else key
                yield Row(key, known, first, int(about.get("until", 0)), dense, sparse, payload)

    def count(self, table: str, condition: Condition) -> int:
        return len(self._keys(table, condition))

    def nearest(self, table: str, vector: Vector, condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        found = self._collection(
            table,
            "query",
            query_embeddings=[np.array(vector, np.float32)],
            n_results=limit,
            where=where(condition),
            include=["documents", "distances"],
        )
        keys, texts, distances = (found[name][0] for name in ("ids", "documents", "distances"))
        if len(keys) < limit and len(keys) < self.count(table, condition):
            return self._exact(table, vector, condition, limit)
        hits = [
            ScoredPoint(point_of(key), 1.0 - distance, parsed(text)[1])
            for key, text, distance in zip(keys, texts, distances, strict=True)
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))

    def expresses(self, condition: Condition) -> bool:
        return expresses(condition)

    def frequencies(self, table: str, terms: Collection[int], condition: Condition) -> tuple[int, Mapping[int, int]]:
        seen = where(condition)
        total = len(self._get(table, both(seen, {"sparse": True}), [])["ids"])
        counts = Counter[int]()
        for term in terms:
            counts[term] = len(self._get(table, both(seen, {"terms": {"$contains": term}}), [])["ids"])
        return total, counts

    def best(self, table: str, weights: Mapping[int, float], condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        allowed = where(condition)
        texts: dict[str, str] = {}
        for part in in_parts(list(weights), TERMS):
            found = self._get(table, both(allowed, holding_one_of(part)), ["documents"])
            texts.update(zip(found["ids"], found["documents"], strict=True))
        scored = ((-dot(text, weights), point_of(key), key) for key, text in texts.items())
        hits = nsmallest(limit, (hit for hit in scored if hit[0] < 0))
        return [ScoredPoint(known, -low, parsed(texts[key])[1]) for low, known, key in hits]

    def writing(self, collection: str, run: int) -> AbstractContextManager[None]:
        folder = self._client.folder
        return writing_alone(folder, collection, run) if folder is not None else nullcontext()

    def close(self) -> None:
        self._client.close()

    def _exact(self, table: str, vector: Vector, condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        """Look at every row that is allowed: HNSW returned fewer than there are."""
        query = np.array(vector, np.float32)
        rows = self.rows(table, condition, vectors=True)
        scored = ((-float(np.dot(query, np.frombuffer(row.dense, np.float32))), row.id, row) for row in rows)
        best = nsmallest(limit, scored, key=lambda hit: hit[:2])
        return [ScoredPoint(known, -low, row.payload) for low, known, row in best]

    def _keys(self, table: str, condition: Condition) -> list[str]:
        return list(self._get(table, where(condition), [])["ids"])

    def _get(self, table: str, allowed: dict[str, Any] | None, wanted: list[str]) -> Any:
        return self._collection(table, "get", where=allowed, include=wanted)

    def _collection(self, table: str, call: str, **arguments: Any) -> Any:
        return self._client.run(
            lambda client: getattr(client.get_collection(table, embedding_function=None), call)(**arguments)
        )
