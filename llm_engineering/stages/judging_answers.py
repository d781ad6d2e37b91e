"""The evidence of what a language model answers, for a promotion: looked up among the kept evaluations."""

from collections.abc import Sequence

from llm_engineering.application.llm_evaluation.comparing import compare_scores
from llm_engineering.application.llm_evaluation.settings import JUDGED
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.bootstrap.llm_evaluation import open_llm_evaluations
from llm_engineering.config import PromotionConfig
from llm_engineering.domain.datasets import DatasetCard
from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.domain.llm_evaluation import EvaluatedModel, LlmEvaluationResult
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.promotions import ContentEvidence


def content_evidence(
    config: PromotionConfig,
    model: RegisteredModel,
    left: RegisteredModel | None,
    card: DatasetCard,
    workspace: Workspace,
) -> ContentEvidence | None:
    """Return how the candidate answers, compared with what is in production, else with its base.

    None where the gate does not ask for it; a problem where there is nothing to judge by.
    """
    gate = config.promotion.content
    if gate is None:
        return None
    try:
        asked = open_datasets(workspace).find(gate.dataset) if gate.dataset else card
    except LLMEngineeringError as error:
        return ContentEvidence(problem=str(error))
    if asked.kind != "instruction":
        return ContentEvidence(
            problem=f"answers are judged on a data set of instructions, and {asked.reference} is of kind "
            f"{asked.kind}; name one in promotion.content.dataset"
        )
    store = open_llm_evaluations(workspace)
    former = left.weights if left else model.base_digest
    found = _newest(store.all(), asked, former, model)
    if found is None:
        named = f"registry:{left.reference}" if left else model.base
        return ContentEvidence(problem=_missing(named, model, asked))
    result, before, after = found
    if after.seen > 0:
        return ContentEvidence(
            problem=f"{model.reference} learnt from {after.seen} of the instructions that evaluation {result.id} asked"
        )
    try:
        _, scores = store.find(result.id)
    except LLMEngineeringError as error:
        return ContentEvidence(problem=str(error))
    judge = result.judge
    distrust: dict[str, str] = {name: reason for name in JUDGED if judge and (reason := judge.trusts(name))}
    pair = (before.reference, after.reference)
    comparisons = compare_scores(scores, pair, gate.metrics, config.evaluation, distrust)
    if not comparisons:
        return ContentEvidence(
            problem=f"evaluation {result.id} has no row that both {pair[0]} and {pair[1]} answered, or none of the "
            f"measures {', '.join(gate.metrics)}"
        )
    return ContentEvidence(evaluation=result.id, dataset=asked.reference, comparison=comparisons[0])


def _newest(
    results: Sequence[LlmEvaluationResult], card: DatasetCard, former: str, model: RegisteredModel
) -> tuple[LlmEvaluationResult, EvaluatedModel, EvaluatedModel] | None:
    """Return the newest result that has both models, by their weights, the former one named first."""
    for result in reversed(results):
        named = [one.model for one in result.models]
        before = next((one for one in named if one.weights and one.weights == former), None)
        after = next((one for one in named if one.weights and one.weights == model.weights), None)
        same = result.dataset_digest == card.digest and after is not None and after.template == model.template
        if before and after and same and named.index(before) < named.index(after):
            return result, before, after
    return None


def _missing(former: str, model: RegisteredModel, card: DatasetCard) -> str:
    return (
        f"no evaluation compares the answers of {model.reference} with those of {former} on {card.reference}; "
        f"make one: poetry poe run-llm-evaluation-pipeline --set llm_evaluation.dataset={card.reference} "
        f"--set 'llm_evaluation.models=[{former}, registry:{model.reference}]'"
    )
