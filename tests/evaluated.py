"""Evaluations made up in memory, to prove the arithmetic of evaluations with."""

from collections.abc import Sequence

import numpy as np

from llm_engineering.domain.evaluation import Evaluation, QuestionOutcome


def outcome(
    number: int, rank: int, document: str = "", slices: Sequence[str] = (), depth: int = 10, question: str = ""
) -> QuestionOutcome:
    """Return a question whose only answering document stands at a rank; 0: it was not found."""
    document = document or f"d{number}"
    found = [f"other-{number}-{place}" for place in range(1, depth + 1)]
    if rank:
        found[rank - 1] = document
    return QuestionOutcome(
        str(number), question or f"question {number}", (document,), tuple(found), tuple(slices), 0.01
    )


def evaluation(outcomes: Sequence[QuestionOutcome], id: str = "e1", digest: str = "q", depth: int = 10) -> Evaluation:
    return Evaluation(
        id=id, name="test", subject={}, questions=len(outcomes), unknown=0, questions_digest=digest,
        questions_from="made up", depth=depth, confidence=0.95, slices=(), p50_ms=0, p95_ms=0,
    )  # fmt: skip


def evaluated(
    ranks: Sequence[int], id: str = "e1", documents: Sequence[str] = ()
) -> tuple[Evaluation, list[QuestionOutcome]]:
    named = documents or [""] * len(ranks)
    outcomes = [outcome(number, int(rank), named[number]) for number, rank in enumerate(ranks)]
    return evaluation(outcomes, id), outcomes


def ranks_of(generator: np.random.Generator, questions: int, first: float) -> np.ndarray:
    """Return ranks as searches have them: `first` of the questions at rank 1, the rest below or not at all."""
    rest = (1 - first) * np.array([0.4, 0.2, 0.15, 0.25])
    return generator.choice([1, 2, 4, 8, 0], size=questions, p=[first, *rest])
