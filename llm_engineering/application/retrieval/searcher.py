"""The searcher: one version of the index, opened with its model, and following to the next."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property
from threading import Lock
from typing import TypeVar

from llm_engineering.application.retrieval.asking import Ask
from llm_engineering.application.retrieval.facets import count_values
from llm_engineering.application.retrieval.fields import metadata_fields, unknown_fields
from llm_engineering.application.retrieval.filters import allowed
from llm_engineering.application.retrieval.following import Following
from llm_engineering.application.retrieval.neighbours import EntityNeighbours
from llm_engineering.application.retrieval.remembering import Noting, Remembering
from llm_engineering.application.retrieval.reranking import Reranking
from llm_engineering.application.retrieval.retrieve import Means, Tokenize, retrieve
from llm_engineering.application.retrieval.settings import Retrieval
from llm_engineering.application.retrieval.texts import Texts
from llm_engineering.domain.access import Access
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.ports import Embedder, VectorIndex
from llm_engineering.domain.queries import Filter, Found, Hit, Retrieved

T = TypeVar("T")

REMEMBERED_ACCESSES = 64


class OpenedVersion:
    """A published version of the index with everything that its searches need. It never changes."""

    def __init__(
        self,
        index: VectorIndex,
        embedder: Embedder | None,
        tokenize: Tokenize,
        texts: Texts,
        settings: Retrieval,
        reranking: Reranking | None = None,
        graph: Callable[[], EntityNeighbours | None] | None = None,
    ) -> None:
        self.index = index
        self._embedder = embedder
        self._tokenize = tokenize
        self._texts = texts
        self._settings = settings
        self._reranking = reranking
        self._graph = graph
        self._facets: dict[Access, Mapping[str, Mapping[str, int]]] = {}
        self._fields: dict[Access, frozenset[str] | None] = {}
        self._lock = Lock()

    def look_up(self, query: str, access: Access, filter: Filter | None, k: int | None, ask: Ask | None) -> Found:
        """Return the hits for a query, with their documents and what it takes to find them again."""
        noting = Noting(self._embedder) if self._embedder else None
        retrieved = self.search(query, access, filter, k, ask, noting)
        documents = self.documents_of(retrieved.hits, access)
        return Found(retrieved, documents, self.index.manifest, noting.vectors if noting else {})

    def search(
        self,
        query: str,
        access: Access,
        filter: Filter | None,
        k: int | None,
        ask: Ask | None,
        embedder: Embedder | None = None,
    ) -> Retrieved:
        """Return the hits for a query. `embedder` stands in for that of this version."""
        embedder = embedder or self._embedder
        means = Means(
            reranking=self._reranking,
            ask=ask,
            facets=lambda: self.facets(access),
            documents=lambda ids: self.documents(ids, access),
            graph=self._graph,
            passages=lambda: self.passages,
        )
        found = retrieve(
            query, self.index, embedder, self._tokenize, self._settings, filter, k, access=access, means=means
        )
        return replace(found, warnings=unknown_fields(filter, self.index, lambda: self.fields(access)))

    def learn(self, queries: Collection[str]) -> None:
        """Compute the vectors of queries that are about to be asked, together."""
        if isinstance(self._embedder, Remembering):
            self._embedder.learn(queries)

    def know(self, vectors: Mapping[str, Vector]) -> None:
        """Take these for the vectors of queries."""
        if isinstance(self._embedder, Remembering):
            self._embedder.know(vectors)

    @cached_property
    def passages(self) -> int:
        """How many passages the index has; counted once."""
        return self.index.count()

    def facets(self, access: Access) -> Mapping[str, Mapping[str, int]]:
        """Return the values of the indexed fields; counted once for each access, for this version stays as it is."""
        return self._once(self._facets, access, count_values)

    def fields(self, access: Access) -> frozenset[str] | None:
        """Return the metadata fields of what may be seen; looked for once for each access."""
        return self._once(self._fields, access, metadata_fields)

    def _once(self, known: dict[Access, T], access: Access, look: Callable[[VectorIndex, Access], T]) -> T:
        with self._lock:
            if access in known:
                return known[access]
        found = look(self.index, access)
        with self._lock:
            while len(known) >= REMEMBERED_ACCESSES:
                del known[next(iter(known))]
            known[access] = found
        return found

    def documents(self, ids: Collection[str], access: Access) -> dict[str, CleanedDocument]:
        """Return the cleaned documents that the index holds and the caller may see."""
        return self._texts.of(self.index, ids, access)

    def documents_of(self, hits: Collection[Hit], access: Access) -> dict[str, CleanedDocument]:
        """Return the cleaned documents of hits: whoever was given a hit may see its document."""
        ids = {hit.document_id for hit in hits}
        known = self._texts.known(ids)
        return known | self.documents(ids - known.keys(), access)


class FollowingSearcher:
    """Searches the version that is published, whichever that is. Safe to use from several threads."""

    def __init__(self, following: Following[OpenedVersion], ask: Ask | None = None) -> None:
        self._following = following
        self._ask = ask

    def search(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Retrieved:
        allowed(filter, access)  # a wrong filter is refused before anything is opened
        with self._following.borrow() as version:
            return version.search(query, access, filter, k, self._ask)

    def look_up(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Found:
        allowed(filter, access)
        with self._following.borrow() as version:
            return version.look_up(query, access, filter, k, self._ask)

    def learn(self, queries: Collection[str]) -> None:
        """Compute the vectors of queries that are about to be asked: together, which takes less time than one by one.

        Raises:
            UsageError, BackendError: as the searches would.
        """
        with self._following.borrow() as version:
            version.learn(queries)

    def know(self, vectors: Mapping[str, Vector]) -> None:
        """Take these for the vectors of queries, which the model of the index once made, and compute none anew."""
        with self._following.borrow() as version:
            version.know(vectors)

    def manifest(self) -> IndexManifest:
        with self._following.borrow() as version:
            return version.index.manifest

    def document(self, document_id: str, access: Access) -> CleanedDocument | None:
        return self.documents([document_id], access).get(document_id)

    def documents(self, document_ids: Collection[str], access: Access) -> dict[str, CleanedDocument]:
        with self._following.borrow() as version:
            return version.documents(document_ids, access)

    def facets(self, access: Access) -> Mapping[str, Mapping[str, int]]:
        with self._following.borrow() as version:
            return version.facets(access)

    @property
    def publication(self) -> str:
        """Which publication the next search sees."""
        return self._following.publication

    def look(self) -> None:
        """See at once what is published now."""
        self._following.look()

    def close(self) -> None:
        self._following.close()
