"""Runs of training in ZenML's metadata: parameters, figures and curves, so that two runs can be laid side by side."""

from collections.abc import Mapping
from itertools import islice
from math import isfinite
from typing import Any

from zenml import log_metadata

from llm_engineering.domain.models import CurvePoint, TrainingRecord
from llm_engineering.domain.secrets import redacted
from llm_engineering.domain.training import Trained, TrainingPlan
from llm_engineering.domain.value import Value, flattened

# ZenML keeps a value in a column of limited size; a curve is thinned out to so many points.
POINTS = 400
LINES = ("loss", "metric", "learning_rate")


def track(parameters: Mapping[str, object], record: TrainingRecord | None, metrics: Mapping[str, float]) -> None:
    """Keep parameters, figures and curves with the step that is running. Secrets are left out."""
    facts: dict[str, Any] = {"parameters": flattened(redacted(dict(parameters)))}
    if metrics:
        facts["metrics"] = {name: value for name, value in metrics.items() if isfinite(value)}
    if record is not None:
        facts["training"] = {
            name: value for name, value in record.model_dump(mode="json").items() if name != "curve"
        } | curves(record.curve)
    log_metadata(facts)


def track_training(settings: Value, plan: TrainingPlan, trained: Trained) -> None:
    """Keep how a training went, with its settings and what it learnt from."""
    parameters = settings.model_dump(mode="json") | {"dataset_version": plan.dataset}
    track(parameters, trained.record, {name: figure.value for name, figure in trained.metrics.items()})


def curves(points: tuple[CurvePoint, ...]) -> dict[str, list[list[float]]]:
    """Return [step, value] pairs for each line of the curve, evenly thinned out, the last point kept.

    >>> curves((CurvePoint(step=1, epoch=0.1, loss=2.0), CurvePoint(step=2, epoch=0.2, loss=1.0, metric=0.5)))
    {'loss': [[1, 2.0], [2, 1.0]], 'metric': [[2, 0.5]]}
    """
    result: dict[str, list[list[float]]] = {}
    for line in LINES:
        known = [(point.step, getattr(point, line)) for point in points]
        there = [[step, value] for step, value in known if value is not None and isfinite(value)]
        if there:
            every = -(-len(there) // POINTS)
            result[line] = [*islice(there[:-1], 0, None, every), there[-1]]
    return result
