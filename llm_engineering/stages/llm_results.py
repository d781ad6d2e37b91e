"""Scores of answers into the result of an evaluation of language models."""

from collections.abc import Mapping, Sequence

from llm_engineering.application.llm_evaluation import LlmEvaluationSettings
from llm_engineering.application.llm_evaluation.comparing import compare_scores, figures
from llm_engineering.application.llm_evaluation.settings import JUDGED, METRICS
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.llm_evaluation import (
    AnswersAccount,
    ContentScore,
    EvaluatedModel,
    JudgeAccount,
    LlmEvaluationPlan,
    LlmEvaluationResult,
    ModelAnswer,
    ModelFigures,
    ShownAnswer,
)
from llm_engineering.domain.value import digest

Answers = Mapping[str, Sequence[ModelAnswer]]


def result_of(
    settings: LlmEvaluationSettings,
    plan: LlmEvaluationPlan,
    account: AnswersAccount,
    answers: Answers,
    scores: Sequence[ContentScore],
    judge: JudgeAccount,
) -> LlmEvaluationResult:
    """Return figures and comparisons. Its id is that of models, rows and settings."""
    statistics = settings.statistics
    models = [one.reference for one in plan.models]
    rows = sorted({one.id for said in answers.values() for one in said})
    distrust: dict[str, str] = {name: reason for name in JUDGED if judge.llm and (reason := judge.trusts(name))}
    asked = [[one.reference, one.weights, one.template] for one in plan.models]
    decides = settings.model_dump(mode="json", exclude={"name", "batch", "concurrency", "shown", "device"})
    return LlmEvaluationResult(
        id=digest([asked, rows, plan.dataset_digest, decides])[:12],
        name=settings.name or plan.dataset,
        dataset=plan.dataset,
        dataset_digest=plan.dataset_digest,
        rows=len(rows),
        of=plan.of,
        rows_digest=digest(rows),
        confidence=settings.confidence,
        models=tuple(_figures(one, answers[one.reference], scores, settings) for one in plan.models),
        comparisons=compare_scores(scores, models, settings.compared, statistics, distrust),
        judge=judge if judge.llm else None,
        answering=account,
        documents=tuple(sorted({one.document_id for said in answers.values() for one in said} - {""})),
        shown=_shown(answers, settings.shown),
        notes=tuple(_notes(plan)),
        run=plan.run,
    )


def _figures(
    model: EvaluatedModel,
    answers: Sequence[ModelAnswer],
    scores: Sequence[ContentScore],
    settings: LlmEvaluationSettings,
) -> ModelFigures:
    own = [one for one in scores if one.model == model.reference]
    there = [one for one in answers if one.is_there]
    return ModelFigures(
        model=model,
        rows=len(there),
        left_out=sum(one.finish == "too_long" for one in answers),
        failed=sum(one.finish == "failed" for one in answers),
        cut=sum(one.finish == "length" for one in answers),
        words=round(sum(len(one.answer.split()) for one in there) / len(there), 3) if there else 0.0,
        metrics=_likelihoods(answers, settings.seed) | figures(own, METRICS, settings.statistics),
    )


def _likelihoods(answers: Sequence[ModelAnswer], seed: int) -> dict[str, Estimate]:
    """Return loss per token (nats) and perplexity of the data set's answers, where the model tells them."""
    read = [one for one in answers if one.tokens]
    if not read:
        return {}
    import numpy as np

    from llm_engineering.infrastructure.trainers.language.measuring import Likelihoods, sft_figures

    sums = np.array([[one.log_likelihood] for one in read])
    tokens = np.array([[float(one.tokens)] for one in read])
    return sft_figures(Likelihoods(sums, tokens, tuple(one.cluster for one in read)), seed)


def _shown(answers: Answers, most: int) -> tuple[ShownAnswer, ...]:
    """Return the first rows with what each model says."""
    by_row: dict[str, dict[str, ModelAnswer]] = {}
    for model, said in answers.items():
        for one in said:
            by_row.setdefault(one.id, {})[model] = one
    rows = [list(row.values()) for row in by_row.values()][:most]
    return tuple(
        ShownAnswer(
            instruction=row[0].instruction,
            reference=row[0].reference,
            answers={one.model: one.answer if one.is_there else f"({one.finish})" for one in row},
        )
        for row in rows
    )


def _notes(plan: LlmEvaluationPlan) -> list[str]:
    seen = [one for one in plan.models if one.seen > 0]
    return [
        f"{one.reference} learnt from {one.seen} of the {plan.rows} instructions that it is asked here: its "
        "figures are not those of unseen rows"
        for one in seen
    ]
