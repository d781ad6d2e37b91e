"""What a judge is asked about answers, and what is read from its judgements.

Grades are asked for `repeats` times, each time with the criteria in another order: at temperature 0 the same request
would mostly bring the same reply, and agreement with oneself would mean nothing. Pairs are asked in both orders.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_engineering.application.answering.prompting import Prompt
from llm_engineering.application.answering.templates import open_template
from llm_engineering.application.datasets.splitting import fraction
from llm_engineering.application.instructions.material import Inquiry
from llm_engineering.application.llm_evaluation.settings import JudgeSettings
from llm_engineering.domain.llm_evaluation import ContentScore, ModelAnswer
from llm_engineering.domain.llms import LlmRequest
from llm_engineering.domain.value import digest

FOLDER = Path(__file__).parent / "prompts"
CRITERIA = (
    ("correct", "what it says is right: it agrees with the reference and with the passage"),
    ("complete", "it says what the reference says to the question, and leaves nothing of it out"),
    ("grounded", "it says nothing that neither the passage nor the reference says"),
    ("clear", "it answers the question that was asked, and can be understood at once"),
)
BEST = 5
_GRADES = range(1, BEST + 1)
_PLACES = {"first": -1, "second": 1, "tie": 0}  # of the one that is shown second


@dataclass(frozen=True)
class Grading:
    """A request for grades of an answer."""

    answer: ModelAnswer
    inquiry: Inquiry


@dataclass(frozen=True)
class Comparing:
    """A request to compare the answers of two models; `swapped` shows that of `after` first."""

    before: ModelAnswer
    after: ModelAnswer
    swapped: bool
    inquiry: Inquiry


def score_prompt(settings: JudgeSettings) -> Prompt:
    """Return the template for grades.

    Raises:
        UsageError: it cannot be read, or lacks what it needs.
    """
    variables = _texts() | {"answer": "", "criteria": CRITERIA}
    return open_template(settings.score_prompt_file or FOLDER / "score-1.jinja", variables, "answer")


def pair_prompt(settings: JudgeSettings) -> Prompt:
    """Return the template for pairs.

    Raises:
        UsageError: it cannot be read, or does not show both answers.
    """
    file, variables = settings.pair_prompt_file or FOLDER / "pair-1.jinja", _texts() | {"first": "", "second": ""}
    open_template(file, variables, "second")
    return open_template(file, variables, "first")


def prompt_digests(settings: JudgeSettings) -> dict[str, str]:
    """Return the name of each template with the digest of its text."""
    used = [
        *([score_prompt(settings)] if settings.scores else []),
        *([pair_prompt(settings)] if settings.pairs else []),
    ]
    return {prompt.name: prompt.digest for prompt in used}


def gradings(answers: Sequence[ModelAnswer], settings: JudgeSettings) -> list[Grading]:
    """Return what is asked for the grades of answers."""
    if not settings.scores:
        return []
    prompt, chosen = score_prompt(settings), _chosen(answers, settings.rows)
    return [
        Grading(one, _grading(one, turn, prompt, settings))
        for one in answers
        if one.id in chosen and one.is_there
        for turn in range(settings.repeats)
    ]


def comparings(
    pairs: Sequence[tuple[Sequence[ModelAnswer], Sequence[ModelAnswer]]], settings: JudgeSettings
) -> list[Comparing]:
    """Return what is asked to compare pairs of models, each with their answers; equal answers need no judge."""
    if not settings.pairs:
        return []
    prompt, found = pair_prompt(settings), []
    for before, after in pairs:
        known, chosen = {one.id: one for one in before if one.is_there}, _chosen(before, settings.rows)
        both = [(known[one.id], one) for one in after if one.id in known and one.id in chosen and one.is_there]
        for old, new in both:
            if old.answer.split() != new.answer.split():
                for swapped in (False, True):
                    inquiry = _comparing(*((new, old) if swapped else (old, new)), prompt, settings)
                    found.append(Comparing(old, new, swapped, inquiry))
    return found


def equal_answers(
    pairs: Sequence[tuple[Sequence[ModelAnswer], Sequence[ModelAnswer]]], settings: JudgeSettings
) -> Iterator[ContentScore]:
    """Yield a tie for each row to which two models say the same."""
    for before, after in pairs if settings.pairs else ():
        known, chosen = {one.id: one for one in before if one.is_there}, _chosen(before, settings.rows)
        for one in after:
            same = one.id in known and one.id in chosen and one.is_there
            if same and known[one.id].answer.split() == one.answer.split():
                yield ContentScore(one.model, one.id, one.cluster, "preferred", 0.0, other=known[one.id].model)


def grades_in(text: str) -> dict[str, int] | None:
    """Return the grades of a reply, or None.

    >>> grades_in('{"reason": "", "correct": 5, "complete": 4.0, "grounded": 5, "clear": 5}')
    {'correct': 5, 'complete': 4, 'grounded': 5, 'clear': 5}
    """
    given = _object(text)
    found = {name: given.get(name) for name, _ in CRITERIA}
    # JSON knows no whole numbers: 4.0 is one, and true is none.
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float) and value is not True}
    whole = {name: int(value) for name, value in numbers.items() if value in _GRADES}
    return whole if len(whole) == len(CRITERIA) else None


def graded(text: str) -> float:
    """Return the grades of a reply as one score between 0 and 1: the mean of the criteria."""
    grades = grades_in(text) or {}
    return sum((grade - 1) / (BEST - 1) for grade in grades.values()) / len(CRITERIA)


def preferred_in(text: str) -> int | None:
    """Return 1 where the second answer is preferred, -1 the first one, 0 for a tie, None for no reply.

    >>> preferred_in('{"reason": "", "better": "second"}')
    1
    """
    given = _object(text).get("better")
    return _PLACES.get(given) if isinstance(given, str) else None


def _grading(one: ModelAnswer, turn: int, prompt: Prompt, settings: JudgeSettings) -> Inquiry:
    criteria = CRITERIA[turn:] + CRITERIA[:turn]
    grade = {"type": "integer", "minimum": 1, "maximum": BEST}
    schema = _schema({name: grade for name, _ in criteria})
    return _inquiry(one, prompt, schema, settings, answer=one.answer, criteria=criteria)


def _comparing(first: ModelAnswer, second: ModelAnswer, prompt: Prompt, settings: JudgeSettings) -> Inquiry:
    schema = _schema({"better": {"type": "string", "enum": list(_PLACES)}})
    return _inquiry(first, prompt, schema, settings, first=first.answer, second=second.answer)


def _inquiry(
    row: ModelAnswer, prompt: Prompt, schema: dict[str, Any], settings: JudgeSettings, **variables: object
) -> Inquiry:
    texts = {"question": row.instruction, "passage": row.passage, "reference": row.reference}
    # Nobody who writes an answer knows the mark, for it is of all texts; and it is the same in every run.
    boundary = digest(["boundary", texts, [str(value) for value in variables.values()]])[:12]
    request = LlmRequest(
        messages=prompt.render(**texts, boundary=boundary, **variables),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        json_schema=schema,
        documents=(row.document_id,) if row.document_id else (),
    )
    return Inquiry(row.document_id, request)


def _texts() -> dict[str, object]:
    return {"question": "", "passage": "", "reference": "", "boundary": ""}


def _schema(more: dict[str, Any]) -> dict[str, Any]:
    fields = {"reason": {"type": "string"}, **more}
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _chosen(answers: Sequence[ModelAnswer], most: int) -> set[str]:
    """Return the ids of the rows that are judged, whichever model answered."""
    return set(sorted({one.id for one in answers}, key=lambda row: (fraction("judged", row), row))[:most])


def _object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return given if isinstance(given, dict) else {}
