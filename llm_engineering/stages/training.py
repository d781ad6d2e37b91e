"""A version of a data set into a version of a model: look at it, train, register."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from llm_engineering.application.datasets import refuse_held_out
from llm_engineering.application.evaluation.general import general_questions
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.training import open_datasets, open_registry, open_trackers
from llm_engineering.config import TrainingConfig
from llm_engineering.domain.datasets import DatasetCard, DatasetRow, RetrievalPair, Split, documents_of
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.training import (
    GeneralQuestion,
    Trained,
    TrainingData,
    TrainingEstimate,
    TrainingPlan,
    TrainingReport,
    Watch,
    WeightsFolder,
)
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.trainers import RetrievalTuner
from llm_engineering.infrastructure.trainers.language.settings import LanguageTraining
from llm_engineering.stages.learning import note_origin, tracked, work_folder
from llm_engineering.stages.tuning import tune_retrieval


def plan_training(config: TrainingConfig, run: int = 0) -> TrainingPlan:
    """Find the data set, and say what there is to learn from.

    Raises:
        UsageError: there is no such data set, its rows are not those of its card, there is none to learn from, or the
            general questions are none.
    """
    workspace = Workspace()
    workspace.keep_alive(run)
    card = open_datasets(workspace).find(config.training.dataset)
    data = _data(config, workspace, card)
    trainer = config.training.trainer
    work = digest([card.digest, trainer.model_dump(mode="json"), [(one.question, one.passage) for one in data.general]])
    return TrainingPlan(
        model=config.training.model,
        kind=trainer.makes,
        dataset=card.reference,
        dataset_digest=card.digest,
        work=f"{config.training.model}/{work[:32]}",
        train=len(data.train),
        validation=len(data.validation),
        general=len(data.general),
    )


def estimate_training(config: TrainingConfig) -> TrainingEstimate | str:
    """Return what fine-tuning a language model will take, or why that is not known. No weight is loaded.

    Raises:
        UsageError: there is no such data set.
    """
    from llm_engineering.infrastructure.trainers.language.estimating import Lengths, estimate

    workspace, trainer = Workspace(), config.training.trainer
    if not isinstance(trainer, LanguageTraining):
        return f"a trainer of kind {trainer.kind} is small enough to be tried"
    data = _data(config, workspace, open_datasets(workspace).find(config.training.dataset))
    return estimate(trainer, Lengths.of(data.train), Lengths.of(data.validation), workspace.home)


def train_model(config: TrainingConfig, plan: TrainingPlan, run: int = 0) -> tuple[Trained, WeightsFolder]:
    """Train; what a killed run has done already is not done again. Return how it went, and the folder of the model.

    Raises:
        UsageError: the data set was changed, has held-out rows, or the loss became no number.
    """
    workspace = Workspace()
    workspace.keep_alive(run)
    trainer = config.training.trainer
    data = _data(config, workspace, open_datasets(workspace).find(plan.dataset))
    if data.digest != plan.dataset_digest:
        raise UsageError(f"data set {plan.dataset} was changed while its training began; run again")
    folder = work_folder(workspace, plan)

    def train(watch: Watch) -> Trained:
        if isinstance(trainer, RetrievalTuner):
            return _tuned(config, plan, trainer, run)
        return trainer.train(data, folder, workspace.home, watch)  # type: ignore[arg-type]

    tracker = open_trackers(config.tracking, workspace)
    trained = tracked(tracker, "training", plan, trainer, train, "metric")
    return trained, WeightsFolder(folder / "model")


def register_model(
    config: TrainingConfig, plan: TrainingPlan, trained: Trained, weights: WeightsFolder, run: int = 0
) -> TrainingReport:
    """Take the model into the registry, and clear away what was needed to train it.

    Raises:
        UsageError: weights that are not finite, or files that a model does not have.
    """
    workspace = Workspace()
    card = open_datasets(workspace).find(plan.dataset)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    model = trained.tuned or RegisteredModel(
        name=plan.model,
        number=0,
        kind=plan.kind,
        base=trained.base,
        base_digest=trained.base_digest,
        dataset=plan.dataset,
        dataset_digest=plan.dataset_digest,
        licence=card.licence,
        template=trained.template,
        settings=config.training.model_dump(mode="json"),
        training=trained.record,
        metrics=trained.metrics,
        index=card.index,
        run=run,
    )
    registry = open_registry(workspace)
    folder = None if trained.tuned else weights.folder
    registered = registry.register(model.model_copy(update={"created_at": made}), folder)
    learnt_from = config.training.trainer.learns_from
    rows = open_datasets(workspace).rows_of(learnt_from, card, [Split.TRAIN, Split.VALIDATION])
    note_origin(workspace, registered, documents_of(rows))
    shutil.rmtree(work_folder(workspace, plan), ignore_errors=True)
    return TrainingReport(model=registered.reference, dataset=plan.dataset, trained=trained)


def _data(config: TrainingConfig, workspace: Workspace, card: DatasetCard) -> TrainingData[DatasetRow]:
    learns_from = config.training.trainer.learns_from
    rows = refuse_held_out(open_datasets(workspace).rows_of(learns_from, card, [Split.TRAIN, Split.VALIDATION]))
    if not any(row.split == Split.TRAIN for row in rows):
        raise UsageError(_nothing_to_learn(card))
    return TrainingData(
        reference=card.reference,
        digest=card.digest,
        train=tuple(row for row in rows if row.split == Split.TRAIN),
        validation=tuple(row for row in rows if row.split == Split.VALIDATION),
        # A language model is not asked to find passages.
        general=_general(config.training.general) if learns_from is RetrievalPair else (),
    )


def _nothing_to_learn(card: DatasetCard) -> str:
    there = ", ".join(f"{count} in split {split}" for split, count in card.rows.items() if count) or "no rows at all"
    return (
        f"data set {card.reference} has no row to learn from: it has {there}. Clusters of documents stay whole, "
        "and few of them may all come to other splits: add documents or questions, lower `shares` of its section (or "
        "let its column `split` say train), make the data set again, and name the new version in training.dataset"
    )


def _general(path: Path | None) -> tuple[GeneralQuestion, ...]:
    if path is None:
        passages, questions = general_questions()
        return tuple(GeneralQuestion(one.text, passages[one.passage]) for one in questions)
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"training.general, {path}, cannot be read: {error}") from error
    return tuple(_question(line, number, path) for number, line in enumerate(lines, start=1))


def _question(line: str, number: int, path: Path) -> GeneralQuestion:
    try:
        found = json.loads(line)
        question, passage = found["question"], found["passage"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f'{path}, line {number}: a line is {{"question": …, "passage": …}}; {error!r}') from error
    if not (isinstance(question, str) and isinstance(passage, str) and question.strip() and passage.strip()):
        raise UsageError(f"{path}, line {number}: question and passage are texts that are not empty")
    return GeneralQuestion(question, passage)


def _tuned(config: TrainingConfig, plan: TrainingPlan, tuner: RetrievalTuner, run: int) -> Trained:
    """Tune the search: what is found are settings, so the folder of weights stays empty."""
    model = tune_retrieval(config, plan.dataset, tuner, plan.model, run)
    assert model.training is not None  # noqa: S101 - what was just made says how
    return Trained(
        base=model.base, base_digest=model.base_digest, record=model.training, metrics=model.metrics, tuned=model
    )
