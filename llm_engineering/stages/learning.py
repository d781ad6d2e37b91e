"""What fine-tuning and pretraining have in common: a folder of work, a run that trackers see, a model's origin."""

from collections.abc import Callable, Collection
from math import isfinite
from pathlib import Path

from loguru import logger

from llm_engineering.bootstrap import Workspace
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.models import CurvePoint, RegisteredModel
from llm_engineering.domain.ports import TrackedRun, Tracker
from llm_engineering.domain.training import Trained, TrainingPlan, Watch
from llm_engineering.domain.value import Value, flattened, identity


def work_folder(workspace: Workspace, plan: TrainingPlan) -> Path:
    """Return where a training keeps what it has done, so that a killed one goes on."""
    return workspace.home / "training" / plan.work


def tracked(
    tracker: Tracker, pipeline: str, plan: TrainingPlan, trainer: Value, train: Callable[[Watch], Trained], metric: str
) -> Trained:
    """Train under the eyes of the trackers, to whom the points of the curve say `metric`; return how it went."""
    with tracker.run(plan.model, {"pipeline": pipeline, "dataset": plan.dataset}) as run:
        run.parameters(flattened(trainer.model_dump(mode="json")) | {"dataset": plan.dataset})
        trained = train(_watching(run, metric))
        run.metrics({name: figure.value for name, figure in trained.metrics.items()}, trained.record.steps)
    logger.info("{}: {}", plan.model, trained)
    return trained


def note_origin(workspace: Workspace, model: RegisteredModel, document_ids: Collection[str]) -> None:
    """Note which documents the model has learned from, so that forgetting one can name the models to train again."""
    place = str(workspace.home / "registry" / model.name / str(model.number))
    made = Derivative(id=identity("model", place), kind="model", name=model.reference, place=place, run=model.run)
    with workspace.warehouse() as warehouse:
        warehouse.record_derivative(made, document_ids)


def _watching(run: TrackedRun, metric: str) -> Watch:
    def watch(point: CurvePoint) -> None:
        values = {"loss": point.loss, metric: point.metric, "learning_rate": point.learning_rate}
        known = {name: value for name, value in values.items() if value is not None and isfinite(value)}
        logger.info("step {}: {}", point.step, ", ".join(f"{name} {value:.4g}" for name, value in known.items()))
        run.metrics(known, point.step)

    return watch
