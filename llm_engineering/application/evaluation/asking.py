"""Ask an index questions with known answers, and keep what it found for each."""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from llm_engineering.application.evaluation.measures import measure
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.application.evaluation.slices import lengths_of, slices_of
from llm_engineering.domain.datasets import HeldQuestion
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Evaluation, Question, QuestionOutcome
from llm_engineering.domain.ports import Progress
from llm_engineering.domain.queries import Filter, Hit
from llm_engineering.domain.value import digest, identity

# Passages of one document count once, so more passages than documents are asked for, and still more if these were of
# too few documents.
PASSAGES_PER_DOCUMENT = 4
MOST_PASSAGES = 1_000

# A search: the question, its filter, how many passages.
Search = Callable[[str, Filter, int], Sequence[Hit]]


def held(questions: Sequence[Question]) -> list[HeldQuestion]:
    """Return questions of a file with ids of their content; a question that stands there twice is asked once."""
    found = {}
    for one in questions:
        limits = json.dumps(dict(one.filter), sort_keys=True)
        key = identity("evaluated question", one.text, limits, *sorted(one.documents))
        found[key] = HeldQuestion(key, one.text, one.documents, one.filter)
    return list(found.values())


def digest_of(questions: Sequence[HeldQuestion]) -> str:
    """Return the digest of questions with their documents and filters, in whichever order."""
    return digest(sorted([one.id, one.text, sorted(one.documents), dict(one.filter)] for one in questions))


def ask(
    questions: Sequence[HeldQuestion],
    relevant: Sequence[Collection[str]],
    search: Search,
    sources: Mapping[str, str],
    depth: int,
    progress: Progress,
) -> list[QuestionOutcome]:
    """Ask all questions, and return which documents were found for each.

    Args:
        questions: What is asked, with the filters to ask it with.
        relevant: For each question the ids of the documents that answer it.
        search: Finds passages, best first.
        sources: The source of each relevant document.
        depth: How many distinct documents are looked at.
        progress: Shows how far it is.

    Raises:
        UsageError: no question names a document that is there.
    """
    if not any(relevant):
        first = ", ".join(questions[0].documents) if questions else "nothing"
        raise UsageError(
            f"none of the {len(questions)} questions names a document of the index, the first one names {first!r}; "
            "name documents by URI, the end of a URI, record key or id"
        )
    search(questions[0].text, questions[0].filter, depth)  # the first search of a process loads what later ones have
    lengths = lengths_of([question.text for question in questions])
    rows = zip(questions, relevant, lengths, strict=True)
    outcomes = []
    for question, documents, length in progress(rows, "evaluate", total=len(questions), unit="question"):
        found, seconds = _found(question, search, depth)
        named = [sources.get(document, "") for document in sorted(documents)] or [question.source]
        slices = slices_of(length, named, question.filter)
        outcomes.append(
            QuestionOutcome(question.id, question.text, tuple(sorted(documents)), found, slices, round(seconds, 6))
        )
    return outcomes


def _found(question: HeldQuestion, search: Search, depth: int) -> tuple[tuple[str, ...], float]:
    """Return the first distinct documents, and how long the first search for them took."""
    wanted, seconds = PASSAGES_PER_DOCUMENT * depth, None
    while True:
        started = time.perf_counter()
        hits = search(question.text, question.filter, wanted)
        seconds = time.perf_counter() - started if seconds is None else seconds
        documents = tuple(dict.fromkeys(hit.document_id for hit in hits))
        if len(documents) >= depth or len(hits) < wanted or wanted >= MOST_PASSAGES:
            return documents[:depth], seconds
        wanted = min(MOST_PASSAGES, PASSAGES_PER_DOCUMENT * wanted)


def evaluation_of(
    outcomes: Sequence[QuestionOutcome],
    questions_digest: str,
    questions_from: str,
    subject: Mapping[str, str],
    settings: EvaluationSettings,
    name: str,
) -> Evaluation:
    """Return the figures of an evaluation. Its id is that of what was asked and of the questions."""
    seconds = np.array([outcome.seconds for outcome in outcomes])
    return Evaluation(
        id=digest([dict(subject), questions_digest])[:12],
        name=name,
        subject=dict(subject),
        questions=len(outcomes),
        unknown=sum(not outcome.relevant for outcome in outcomes),
        questions_digest=questions_digest,
        questions_from=questions_from,
        depth=settings.depth,
        confidence=settings.confidence,
        slices=measure(outcomes, settings),
        p50_ms=round(1000 * float(np.quantile(seconds, 0.5)), 3),
        p95_ms=round(1000 * float(np.quantile(seconds, 0.95)), 3),
    )
