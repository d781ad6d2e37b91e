"""Ask the index: what each method finds for a question, and what the search makes of it with given settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_engineering.application.evaluation import Searching
from llm_engineering.application.retrieval import Retrieval, payload_filter
from llm_engineering.application.retrieval.candidates import Wording, hits_of, search
from llm_engineering.application.tuning.rankings import PASSAGES_PER_DOCUMENT, Asked
from llm_engineering.domain.datasets import HeldQuestion
from llm_engineering.domain.ports import Progress
from llm_engineering.domain.queries import Hit, ScoredPoint


@dataclass(frozen=True)
class TuningQuestion:
    """A question of a split, and the cluster of the documents that answer it."""

    question: HeldQuestion
    cluster: str


def asked(
    questions: Sequence[TuningQuestion], searching: Searching, pool: int, progress: Progress, title: str
) -> Iterator[Asked]:
    """Yield what each method finds for each question; of the payload only the document's id is kept."""
    hybrid = Retrieval(mode="hybrid")
    for one in progress(questions, title, total=len(questions), unit="question"):
        found = _search(one.question, searching, hybrid, pool).rankings
        rankings = {
            method: [ScoredPoint(p.id, p.score, {"document_id": p.payload.get("document_id", "")}) for p in ranking]
            for method, ranking in found.items()
        }
        yield Asked(one.question.id, frozenset(one.question.documents), rankings)


def hits(
    question: HeldQuestion, searching: Searching, retrieval: Retrieval, wanted: int, least: int = 0
) -> tuple[Wording, list[Hit]]:
    """Return what the methods found, and the fused hits, enough for so many documents and at least so many."""
    depth = max(PASSAGES_PER_DOCUMENT * wanted, least)
    wording = _search(question, searching, retrieval, retrieval.depth(depth))
    return wording, hits_of([wording], retrieval, depth)


def _search(question: HeldQuestion, searching: Searching, retrieval: Retrieval, pool: int) -> Wording:
    condition = payload_filter(dict(question.filter))
    means = (searching.index, searching.embedder, searching.tokenize)
    return search(question.text, 1.0, *means, retrieval, condition, pool)
