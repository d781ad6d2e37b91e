"""Ask the held-out questions of a data set, and make an evaluation of what was found."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter

import numpy as np

from llm_engineering.application.evaluation import measure, relevant_documents
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.application.evaluation.slices import lengths_of, slices_of
from llm_engineering.domain.datasets import DatasetCard, HeldQuestion
from llm_engineering.domain.documents import Place
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Evaluation, Question, QuestionOutcome
from llm_engineering.domain.ports import Progress
from llm_engineering.domain.queries import Filter
from llm_engineering.domain.value import digest

# Finds for a question, its filter and a number of passages the ids of their documents, best first.
Find = Callable[[str, Filter, int], Sequence[str]]
PASSAGES_PER_DOCUMENT = 4
Evaluated = tuple[Evaluation, Sequence[QuestionOutcome]]


def answers_of(questions: Sequence[HeldQuestion], places: Iterable[Place]) -> list[frozenset[str]]:
    """Return for each question the ids of the documents of the index that answer it.

    Raises:
        UsageError: no question names a document of the index.
    """
    named = [Question(question.text, question.documents, question.filter) for question in questions]
    relevant = relevant_documents(named, places)
    if not any(relevant):
        raise UsageError(
            f"none of the {len(questions)} held-out questions names a document of the index; the data set is of "
            "another corpus"
        )
    return relevant


def asked(
    questions: Sequence[HeldQuestion],
    relevant: Sequence[Collection[str]],
    find: Find,
    name: str,
    subject: Mapping[str, str],
    card: DatasetCard,
    settings: EvaluationSettings,
    progress: Progress,
    run: int,
) -> Evaluated:
    """Ask all questions once, and return the evaluation, of the given name, with the outcome of each."""
    lengths = lengths_of([question.text for question in questions])
    together = zip(questions, relevant, lengths, strict=True)
    todo = progress(together, "evaluate", total=len(questions), unit="question")
    outcomes = [_outcome(*each, find, settings.depth) for each in todo]
    questions_digest = digest([[one.id, one.question, one.relevant] for one in outcomes])
    p50, p95 = np.percentile([1_000 * one.seconds for one in outcomes], [50, 95])
    evaluation = Evaluation(
        id=digest([dict(subject), questions_digest, settings.depth])[:12],
        name=name,
        subject=dict(subject),
        questions=len(outcomes),
        unknown=sum(not documents for documents in relevant),
        questions_digest=questions_digest,
        questions_from=f"{card.reference}/test",
        depth=settings.depth,
        confidence=settings.confidence,
        slices=measure(outcomes, settings),
        p50_ms=round(float(p50), 3),
        p95_ms=round(float(p95), 3),
        run=run,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return evaluation, outcomes


def _outcome(
    question: HeldQuestion, documents: Collection[str], length: str, find: Find, depth: int
) -> QuestionOutcome:
    began = perf_counter()
    found = tuple(dict.fromkeys(find(question.text, question.filter, PASSAGES_PER_DOCUMENT * depth)))[:depth]
    seconds = perf_counter() - began
    # A document that is not in the index cannot be found, and counts as missed.
    wanted = tuple(sorted(documents)) or tuple(question.documents)
    slices = slices_of(length, [question.source], question.filter)
    return QuestionOutcome(question.id, question.text, wanted, found, slices, round(seconds, 6))
