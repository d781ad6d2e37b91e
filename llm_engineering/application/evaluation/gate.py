"""Measure how well index versions answer questions, and judge whether one may take the place of another."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from llm_engineering.application.evaluation.metrics import hit_rate, mean_reciprocal_rank, rank_of_first
from llm_engineering.application.retrieval import Retrieval, retrieve_all
from llm_engineering.application.retrieval.retrieve import Tokenize
from llm_engineering.domain.access import ALL
from llm_engineering.domain.errors import GateFailed, UsageError
from llm_engineering.domain.evaluation import EvaluationReport, Figures, Question
from llm_engineering.domain.ports import Embedder, Progress, VectorIndex

# Passages of one document count once, so more than k are asked for.
PASSAGES_PER_DOCUMENT = 4
# Figures are shares of whole questions; what is lost in adding them up must not decide.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Searching:
    """What it takes to ask one index version: the opened index, its embedder, and how its queries are split."""

    index: VectorIndex
    embedder: Embedder | None
    tokenize: Tokenize


def evaluate(
    questions: Sequence[Question],
    relevant: Sequence[Collection[str]],
    candidate: Searching,
    active: Searching | None,
    retrieval: Retrieval,
    k: int,
    progress: Progress,
) -> EvaluationReport:
    """Ask both versions all questions and return their figures.

    Args:
        questions: What is asked, with the filters to ask it with.
        relevant: For each question the ids of the documents that answer it.
        candidate: The version that is to be activated.
        active: The version that readers see, if there is another one.
        retrieval: How passages are found.
        k: How many documents are looked at.
        progress: Shows how far it is.

    Raises:
        UsageError: no question names a document that is there.
    """
    unknown = sum(1 for documents in relevant if not documents)
    if unknown == len(questions):
        raise UsageError(
            f"none of the {len(questions)} questions names a document of the index, the first one names "
            f"{', '.join(questions[0].documents)!r}; name documents by URI, the end of a URI, record key or id"
        )
    return EvaluationReport(
        questions=len(questions),
        k=k,
        unknown=unknown,
        candidate=_measure(questions, relevant, candidate, retrieval, k, progress),
        active=_measure(questions, relevant, active, retrieval, k, progress) if active else None,
    )


def judge(report: EvaluationReport, min_hit: float, max_loss: float | None) -> None:
    """Raise if the candidate answers too few questions, or fewer than the active version by more than allowed.

    Raises:
        GateFailed: with the report as verdict, and all figures in the message.
    """
    candidate, active = report.candidate, report.active
    if candidate is None:
        return
    short = [f"hit@{report.k} is below gate.min_hit, {min_hit:g}"] if candidate.hit < min_hit - ROUNDING else []
    if active is not None and max_loss is not None:
        short += [
            f"{name}@{report.k} is {before - after:.3f} below the active version, and gate.max_loss allows {max_loss:g}"
            for name, before, after in (("hit", active.hit, candidate.hit), ("MRR", active.mrr, candidate.mrr))
            if before - after > max_loss + ROUNDING
        ]
    if short:
        raise GateFailed(
            f"index version {candidate.version} is not activated: {'; '.join(short)} ({report}). "
            "What was active stays active; change the settings back, or the gate",
            report,
        )


def _measure(
    questions: Sequence[Question],
    relevant: Sequence[Collection[str]],
    searching: Searching,
    retrieval: Retrieval,
    k: int,
    progress: Progress,
) -> Figures:
    asked = ((question.text, question.filter) for question in questions)
    found = retrieve_all(
        asked, searching.index, searching.embedder, searching.tokenize, retrieval, PASSAGES_PER_DOCUMENT * k, access=ALL
    )
    version = searching.index.manifest.version
    answers = zip(progress(found, f"evaluate {version}", total=len(questions), unit="question"), relevant, strict=True)
    ranks = [rank_of_first((hit.document_id for hit in hits), documents, k) for hits, documents in answers]
    return Figures(version=version, hit=round(hit_rate(ranks), 6), mrr=round(mean_reciprocal_rank(ranks), 6))
