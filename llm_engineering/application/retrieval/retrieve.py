"""The search itself: candidates of each method, fused, as hits that tell where they come from."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, cast

from pydantic import Field

from llm_engineering.application.retrieval.filters import payload_filter
from llm_engineering.application.retrieval.fusion import DENSE, SPARSE, Fusion, Interpolation, Rankings
from llm_engineering.domain.chunks import SparseVector
from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.domain.ports import Embedder, VectorIndex
from llm_engineering.domain.queries import Filter, Hit, ScoredPoint
from llm_engineering.domain.value import Value

# Turns a query into the sparse vector that fits those of the index.
Tokenize = Callable[[str], SparseVector]
POOL = 50


class Retrieval(Value):
    """How passages are found."""

    mode: Literal["dense", "sparse", "hybrid"] = Field(
        "hybrid", description="dense = by meaning, sparse = by words (BM25), hybrid = both, fused"
    )
    fusion: Fusion = Field(default_factory=Interpolation, description="how hybrid search mixes the two rankings")
    pool: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="candidates of each method before fusion; empty = 4 for each hit, at least 50",
    )
    k: int = Field(5, ge=1, le=1_000, description="hits to return")


def retrieve(
    query: str,
    index: VectorIndex,
    embedder: Embedder | None,
    tokenize: Tokenize,
    settings: Retrieval,
    filter: Filter | None = None,
    k: int | None = None,
) -> list[Hit]:
    """Return the best passages for a query, best first; equal scores in the order of their ids.

    A sparse search needs no embedder. Keys of the filter are resolved by `payload_filter`.

    Raises:
        UsageError: the query is blank, or the embedder is not the one that the index was made with.
    """
    if not query.strip():
        raise UsageError("the query is empty; ask for something")
    wanted = settings.k if k is None else k
    if wanted < 1:
        raise UsageError(f"k is {wanted}; ask for at least one hit")
    rankings = candidates(query, index, embedder, tokenize, settings, payload_filter(filter), wanted)
    return fused_hits(rankings, settings, wanted)


def retrieve_all(
    queries: Iterable[tuple[str, Filter]],
    index: VectorIndex,
    embedder: Embedder | None,
    tokenize: Tokenize,
    settings: Retrieval,
    k: int | None = None,
) -> Iterator[list[Hit]]:
    """Yield the hits of many queries with their filters, in order."""
    for query, its_filter in queries:
        yield retrieve(query, index, embedder, tokenize, settings, its_filter, k)


def candidates(
    query: str,
    index: VectorIndex,
    embedder: Embedder | None,
    tokenize: Tokenize,
    settings: Retrieval,
    filter: Filter,
    wanted: int,
) -> Rankings:
    """Return the ranking of each method that the mode asks for."""
    pool = max(settings.pool or max(4 * wanted, POOL), wanted)
    rankings: dict[str, list[ScoredPoint]] = {}
    if settings.mode != "sparse":
        vector = fitting(embedder, index.manifest.model).embed_query(query)
        rankings[DENSE] = ranked(index.search_dense(vector, pool, filter))
    if settings.mode != "dense":
        rankings[SPARSE] = ranked(index.search_sparse(tokenize(query), pool, filter))
    return rankings


def fitting(embedder: Embedder | None, model: ModelCard) -> Embedder:
    """Return the embedder if its vectors can be compared with those of the index."""
    if embedder is None:
        raise UsageError("dense and hybrid search need an embedder; open one, or set the mode to sparse")
    if embedder.card.digest != model.digest:
        raise UsageError(
            f"the index was made with model {model.name!r} ({model.digest[:12]}), the embedder is "
            f"{embedder.card.name!r} ({embedder.card.digest[:12]}); their vectors cannot be compared. Set the embedder "
            "to the former, or run the feature pipeline to build an index with the latter"
        )
    return embedder


def fused_hits(rankings: Rankings, settings: Retrieval, wanted: int) -> list[Hit]:
    """Return the best hits of the rankings. A single ranking keeps its own scores."""
    if len(rankings) == 1:
        scores = {point.id: point.score for ranking in rankings.values() for point in ranking}
    else:
        scores = settings.fusion.fuse(rankings)
    found = {point.id: point for ranking in rankings.values() for point in ranking}
    each = {method: {point.id: point.score for point in ranking} for method, ranking in rankings.items()}
    best = sorted(scores, key=lambda point: (-scores[point], point))[:wanted]
    return [
        hit(found[point], scores[point], {method: given[point] for method, given in each.items() if point in given})
        for point in best
    ]


def ranked(points: Iterable[ScoredPoint]) -> list[ScoredPoint]:
    """Order points by score, then by id, so that equal scores come in the same order from every store."""
    return sorted(points, key=lambda point: (-point.score, point.id))


def hit(point: ScoredPoint, score: float, scores: Mapping[str, float]) -> Hit:
    """Return a found point as a hit; what the payload lacks is empty."""
    payload = point.payload
    return Hit(
        chunk_id=point.id,
        score=score,
        document_id=str(payload.get("document_id", "")),
        uri=str(payload.get("uri", "")),
        title=str(payload.get("title", "")),
        start=cast("int", payload.get("start", 0)),
        end=cast("int", payload.get("end", 0)),
        text=str(payload.get("text", "")),
        metadata=cast("Metadata", payload.get("metadata") or {}),
        scores=scores,
        source=str(payload.get("source", "")),
        context=str(payload.get("context", "")),
    )
