"""The evidence for and against a pretrained language model: how likely it finds the documents held out from it."""

from datetime import UTC, datetime

from loguru import logger

from llm_engineering.application.evaluation.paired import compare_values
from llm_engineering.application.pretraining import held_texts
from llm_engineering.application.promotion import LANGUAGE_METRICS
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import PretrainingConfig, PromotionConfig
from llm_engineering.config.pretraining import PretrainingSettings
from llm_engineering.domain.errors import LLMEngineeringError, UsageError
from llm_engineering.domain.evaluation import Evaluation, SliceFigures
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.promotions import PromotionEvidence
from llm_engineering.domain.training import HeldText, Texts
from llm_engineering.domain.value import digest
from llm_engineering.stages.pretraining import corpus, division_of

BARS = {"trigrams": "trigrams of the same texts", "untrained": "a model that has learnt nothing"}
METRIC = LANGUAGE_METRICS["instruction"]


def evaluate_pretrained(
    config: PromotionConfig, model: RegisteredModel, left: RegisteredModel | None, workspace: Workspace
) -> PromotionEvidence:
    """Read the documents that were held out with what is in production, else with the first bar, and the candidate.

    That bar (`promotion.bar`) has the candidate's vocabulary: trigrams, counted in the texts that it learnt from, or a
    model that finds all tokens equally likely. A text's value is its log-likelihood per byte, which models with other
    vocabularies have in common.

    Raises:
        UsageError: the documents are others than those that the candidate learnt from, or none was held out.
    """
    from llm_engineering.infrastructure.trainers.language.judging import Judged, judge_texts

    rows, texts = _held(config, model, workspace)
    former = f"registry:{left.reference}" if left else None
    learnt = texts.train if config.promotion.bar == "trigrams" else ()
    try:
        judged = judge_texts(former, f"registry:{model.reference}", rows, learnt, workspace.home)
    except LLMEngineeringError as error:
        return PromotionEvidence(problems=(f"the held-out documents could not be read: {error}",))
    made, asked = datetime.now(UTC).isoformat(timespec="seconds"), digest([judged.ids, texts.digest])

    def evaluation(name: str, side: Judged) -> Evaluation:
        subject = {"model": side.weights, "metric": METRIC}
        return Evaluation(
            id=digest([subject, asked])[:12], name=name, subject=subject, questions=len(judged.ids), unknown=0,
            questions_digest=asked, questions_from=f"{texts.reference}/validation", depth=0, confidence=0.95,
            slices=(SliceFigures(slice="all", questions=len(judged.ids), metrics={METRIC: side.figure}),),
            p50_ms=side.p50_ms, p95_ms=side.p95_ms, created_at=made,
        )  # fmt: skip

    before = evaluation(left.reference if left else BARS[config.promotion.bar], judged.before)
    after = evaluation(model.reference, judged.after)
    pair = (before, judged.before.values), (after, judged.after.values)
    comparison = compare_values(*pair, judged.clusters, METRIC, config.evaluation)
    whole = comparison.of(METRIC).difference
    logger.info("{} of {} against {}: {}", METRIC, model.reference, before.name, whole)
    if judged.left_out:
        logger.warning("{} held-out texts spell control tokens of a model and are left out", judged.left_out)
    return PromotionEvidence(before=before, after=after, comparison=comparison)


def corpus_of(config: PromotionConfig, model: RegisteredModel, workspace: Workspace) -> str:
    """Return the reference of the documents that a pretrained model learnt from, as they are in the index now.

    Raises:
        UsageError: they are others by now, or none was held out.
    """
    return _held(config, model, workspace)[1].reference


def _held(config: PromotionConfig, model: RegisteredModel, workspace: Workspace) -> tuple[list[HeldText], Texts]:
    settings = PretrainingSettings.model_validate(model.settings)
    load = config.load.model_copy(update={"collection": model.index.get("collection", config.load.collection)})
    documents, texts = corpus(PretrainingConfig(load=load, pretraining=settings), workspace)
    if texts.digest != model.dataset_digest:
        raise UsageError(
            f"{model.reference} learnt from the documents of {model.dataset}, and those of {texts.reference} are "
            "others, so it may have seen what is held out now; pretrain again, and promote that version"
        )
    rows = held_texts(documents, division_of(settings), config.evaluation.fewest)
    if not rows:
        raise UsageError(
            f"no document was held out from {model.reference}, so nothing can be said of it; pretrain on more "
            f"documents, with a pretraining.validation above 0 (it was {settings.validation:g})"
        )
    return rows, texts
