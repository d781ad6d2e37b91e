"""The evidence for and against a language model: how likely it and what it is to follow find the held-out answers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.application.evaluation.paired import compare_values
from llm_engineering.application.promotion import LANGUAGE_METRICS
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.config import PromotionConfig
from llm_engineering.domain.datasets import DatasetCard, DatasetRow, Split
from llm_engineering.domain.errors import LLMEngineeringError, UsageError
from llm_engineering.domain.evaluation import Estimate, Evaluation, SliceFigures
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.promotions import PromotionEvidence
from llm_engineering.domain.value import digest
from llm_engineering.stages.judging_answers import content_evidence

if TYPE_CHECKING:
    from llm_engineering.infrastructure.trainers.language.judging import Judged


def evaluate_language_model(
    config: PromotionConfig,
    model: RegisteredModel,
    left: RegisteredModel | None,
    card: DatasetCard,
    workspace: Workspace,
) -> PromotionEvidence:
    """Read the held-out rows with what is in production, else with the candidate's base, and with the candidate.

    Raises:
        UsageError: the data set is of no kind that language models are judged by, or has no held-out rows.
    """
    from llm_engineering.infrastructure.trainers.language.judging import judge_rows

    if card.kind not in LANGUAGE_METRICS:
        raise UsageError(
            f"data set {card.reference} is of kind {card.kind!r}; a language model is judged by one of kind "
            f"{' or '.join(LANGUAGE_METRICS)}: name it in promotion.dataset"
        )
    kind: type[Instruction] | type[Preference] = Preference if card.kind == "preference" else Instruction
    rows: Sequence[Instruction | Preference] = open_datasets(workspace).rows_of(kind, card, [Split.TEST])
    former = f"registry:{left.reference}" if left else model.base
    try:
        judged = judge_rows(former, f"registry:{model.reference}", rows, workspace.home)
    except LLMEngineeringError as error:
        return PromotionEvidence(problems=(f"the held-out rows could not be read: {error}",))
    metric, asked = LANGUAGE_METRICS[card.kind], judged.ids
    name = left.reference if left else model.base
    before = _evaluation(name, judged.before.weights, judged.before, asked, card, metric)
    after = _evaluation(model.reference, model.weights, judged.after, asked, card, metric)
    pair = (before, judged.before.values), (after, judged.after.values)
    comparison = compare_values(*pair, judged.clusters, metric, config.evaluation)
    whole: Estimate = comparison.of(metric).difference
    logger.info("{} of {} against {}: {}", metric, model.reference, before.name, whole)
    if judged.left_out:
        logger.warning("{} held-out rows are too long for one of both", judged.left_out)
    content = content_evidence(config, model, left, card, workspace)
    return PromotionEvidence(before=before, after=after, comparison=comparison, content=content)


def rows_of(
    model: RegisteredModel, card: DatasetCard, splits: Sequence[Split], workspace: Workspace
) -> Sequence[DatasetRow]:
    """Return rows of the data set that judges a candidate, of a kind that it can be judged by.

    Raises:
        UsageError: they are of another kind, or not those of the card.
    """
    store = open_datasets(workspace)
    if model.kind != "llm":
        return store.rows(card, splits)
    return store.rows_of(Preference if card.kind == "preference" else Instruction, card, splits)


def _evaluation(
    name: str, weights: str, side: "Judged", ids: Sequence[str], card: DatasetCard, metric: str
) -> Evaluation:
    """Return how one of both read the held-out rows, as an evaluation."""
    asked = digest([ids, card.digest])
    subject = {"model": weights, "metric": metric}
    return Evaluation(
        id=digest([subject, asked])[:12], name=name, subject=subject, questions=len(ids), unknown=0,
        questions_digest=asked, questions_from=f"{card.reference}/test", depth=0, confidence=0.95,
        slices=(SliceFigures(slice="all", questions=len(ids), metrics={metric: side.figure}),),
        p50_ms=side.p50_ms, p95_ms=side.p95_ms, created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
