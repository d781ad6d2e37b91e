"""Candidates: what each method finds for each wording of a question, and their common score."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from llm_engineering.application.retrieval.fusion import DENSE, SPARSE, Rankings
from llm_engineering.application.retrieval.settings import Retrieval
from llm_engineering.domain.chunks import SparseVector
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.domain.ports import Embedder, VectorIndex
from llm_engineering.domain.queries import Hit, ScoredPoint

# Turns a query into the sparse vector that fits those of the index.
Tokenize = Callable[[str], SparseVector]


@dataclass(frozen=True)
class Wording:
    """One wording of a question, how much it counts, and what each method found for it."""

    text: str
    weight: float
    rankings: Rankings

    def __len__(self) -> int:
        return len({point.id for ranking in self.rankings.values() for point in ranking})


def search(
    query: str,
    weight: float,
    index: VectorIndex,
    embedder: Embedder | None,
    tokenize: Tokenize,
    settings: Retrieval,
    condition: Condition,
    pool: int,
) -> Wording:
    """Return the ranking of each method that the mode asks for."""
    rankings: dict[str, list[ScoredPoint]] = {}
    if settings.mode != "sparse":
        vector = fitting(embedder, index.manifest.model).embed_query(query)
        rankings[DENSE] = ranked(index.search_dense(vector, pool, condition))
    if settings.mode != "dense":
        rankings[SPARSE] = ranked(index.search_sparse(tokenize(query), pool, condition))
    return Wording(query, weight, rankings)


def fitting(embedder: Embedder | None, model: ModelCard) -> Embedder:
    """Return the embedder if its vectors can be compared with those of the index."""
    if embedder is None:
        raise UsageError("dense and hybrid search need an embedder; open one, or set the mode to sparse")
    if embedder.card.digest != model.digest:
        prompts = embedder.card.passage_prompt, model.passage_prompt
        told = "" if prompts[0] == prompts[1] else f" (passage prompt {prompts[1]!r} there, {prompts[0]!r} here)"
        raise UsageError(
            f"the index was made with model {model.name!r} ({model.digest[:12]}), the embedder is "
            f"{embedder.card.name!r} ({embedder.card.digest[:12]}); their vectors cannot be compared{told}. Set the "
            "embedder to the former, or run the feature pipeline to build an index with the latter"
        )
    return embedder


def hits_of(wordings: Sequence[Wording], settings: Retrieval, most: int) -> list[Hit]:
    """Return the best hits of all wordings, best first; equal scores in the order of their ids.

    A single ranking of a single wording keeps its own scores. `scores` are those of the first wording that found a
    point, which is the question itself if it did.
    """
    scores = fused(wordings[0].rankings, settings) if len(wordings) == 1 else mixed(wordings, settings)
    given = [
        {method: {point.id: point for point in ranking} for method, ranking in wording.rankings.items()}
        for wording in wordings
    ]
    hits = []
    for name in sorted(scores, key=lambda point: (-scores[point], point))[:most]:
        here = next(filter(None, (_by_method(name, rankings) for rankings in given)))
        own = {method: point.score for method, point in here.items()}
        hits.append(hit(next(iter(here.values())), scores[name], own))
    return hits


def _by_method(name: str, rankings: Mapping[str, Mapping[str, ScoredPoint]]) -> dict[str, ScoredPoint]:
    return {method: points[name] for method, points in rankings.items() if name in points}


def fused(rankings: Rankings, settings: Retrieval) -> dict[str, float]:
    """Return point id → score of one wording. A single ranking keeps its own scores."""
    if len(rankings) == 1:
        return {point.id: point.score for ranking in rankings.values() for point in ranking}
    return settings.fusion.fuse(rankings)


def mixed(wordings: Sequence[Wording], settings: Retrieval) -> dict[str, float]:
    """Return point id → the weighted mean of its scores for all wordings, each scaled so that its best is 1."""
    total: dict[str, float] = {}
    for wording in wordings:
        scores = fused(wording.rankings, settings)
        best = max(scores.values(), default=0.0)
        for point, score in scores.items():
            share = max(0.0, score) / best if best > 0 else 1.0
            total[point] = total.get(point, 0.0) + wording.weight * share
    weights = sum(wording.weight for wording in wordings)
    return {point: score / weights for point, score in total.items()}


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
