"""A judge's replies into scores, and whether these can be trusted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llm_engineering.application.instructions.material import Count, Inquiry, Replies
from llm_engineering.application.llm_evaluation.agreement import of_orders, of_scores
from llm_engineering.application.llm_evaluation.judging import (
    Comparing,
    Grading,
    comparings,
    equal_answers,
    graded,
    grades_in,
    gradings,
    preferred_in,
    prompt_digests,
)
from llm_engineering.application.llm_evaluation.settings import JudgeSettings
from llm_engineering.domain.llm_evaluation import Agreement, ContentScore, JudgeAccount, ModelAnswer
from llm_engineering.domain.llms import Usage

Ask = Callable[[Sequence[Inquiry], Count], Replies]
Pairs = Sequence[tuple[Sequence[ModelAnswer], Sequence[ModelAnswer]]]


@dataclass(frozen=True)
class Judged:
    """Scores of answers, and the account of how they came about."""

    scores: list[ContentScore]
    account: JudgeAccount


def judge_answers(answers: Sequence[ModelAnswer], pairs: Pairs, settings: JudgeSettings, ask: Ask) -> Judged:
    """Let a model grade answers, and compare those of pairs of models.

    Args:
        answers: Those of all models.
        pairs: The answers of two models, before and after.
        settings: How is asked.
        ask: Asks the model; what it said before is not asked again.

    Raises:
        UsageError: a template is wrong; nothing was asked then.
    """
    prompts = prompt_digests(settings)
    grading, comparing = gradings(answers, settings), comparings(pairs, settings)
    first = ask([one.inquiry for one in grading], lambda text: (1, 0) if grades_in(text) else (0, 1))
    second = ask([one.inquiry for one in comparing], lambda text: (1, 0) if preferred_in(text) is not None else (0, 1))
    scores: list[ContentScore] = []
    agreements: list[Agreement] = []
    if grading:
        scores, found = _grades(grading, first, settings)
        agreements.append(found)
    if settings.pairs and pairs:
        preferred, found = _preferences(comparing, second, settings)
        same = list(equal_answers(pairs, settings))
        scores += [*preferred, *same]
        agreements.append(found)
    return Judged(scores, _account((first, second), prompts, agreements))


def _grades(
    asked: Sequence[Grading], replies: Replies, settings: JudgeSettings
) -> tuple[list[ContentScore], Agreement]:
    """Return the mean grade of each answer, and how far its grades agree."""
    units: dict[tuple[str, str], list[float]] = {}
    rows: dict[tuple[str, str], ModelAnswer] = {}
    for number, one in enumerate(asked):
        if number in replies.texts:
            key = (one.answer.model, one.answer.id)
            rows[key] = one.answer
            units.setdefault(key, []).append(graded(replies.texts[number]))
    scores = [
        ContentScore(row.model, row.id, row.cluster, "judge", round(sum(units[key]) / len(units[key]), 9))
        for key, row in rows.items()
    ]
    return scores, of_scores(list(units.values()), settings.agreement)


def _preferences(
    asked: Sequence[Comparing], replies: Replies, settings: JudgeSettings
) -> tuple[list[ContentScore], Agreement]:
    """Return which of two answers is preferred, a tie where the two orders say otherwise, and how far they agree."""
    orders: dict[tuple[str, str, str], dict[bool, float]] = {}
    rows: dict[tuple[str, str, str], Comparing] = {}
    for number, one in enumerate(asked):
        if number in replies.texts:
            key = (one.before.model, one.after.model, one.after.id)
            said = preferred_in(replies.texts[number]) or 0
            rows[key] = one
            orders.setdefault(key, {})[one.swapped] = float(-said if one.swapped else said)
    both = {key: (found[False], found[True]) for key, found in orders.items() if len(found) == 2}
    scores = [
        ContentScore(after, row, rows[before, after, row].after.cluster, "preferred",
                     one if one == other else 0.0, other=before)
        for (before, after, row), (one, other) in both.items()
    ]  # fmt: skip
    return scores, of_orders(list(both.values()), settings.agreement)


def _account(replies: Sequence[Replies], prompts: dict[str, str], agreements: Sequence[Agreement]) -> JudgeAccount:
    usage = sum((one.usage for one in replies), Usage())
    return JudgeAccount(
        llm=next((one.model for one in replies if one.model), ""),
        prompts=prompts,
        asked=sum(len(one.texts) for one in replies),
        resumed=sum(one.resumed for one in replies),
        unasked=sum(one.unasked for one in replies),
        failed=sum(one.failed for one in replies),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost=usage.cost,
        stopped=next((one.stopped for one in replies if one.stopped), ""),
        agreements=tuple(agreements),
        failures=tuple(failure for one in replies for failure in one.failures),
    )
