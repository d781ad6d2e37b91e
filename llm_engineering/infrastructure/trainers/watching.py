"""The curve of a training: points from what the library notes, told as soon as they are known."""

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback

from llm_engineering.domain.models import CurvePoint
from llm_engineering.domain.training import Watch
from llm_engineering.infrastructure.trainers.checkpoints import Clock


class Telling(TrainerCallback):
    """Tells of each point of the curve, and keeps the time. `metric` is the one that decides when to stop."""

    def __init__(self, watch: Watch, clock: Clock, metric: str) -> None:
        self._watch, self._clock, self._metric = watch, clock, metric

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._clock.tick()
        if state.log_history and (points := curve(state.log_history[-1:], self._metric)):
            self._watch(points[0])


def curve(history: Sequence[Mapping[str, Any]], metric: str) -> tuple[CurvePoint, ...]:
    """Return what the library noted as points, one for each step; loss and metric of a step come together.

    >>> curve([{"step": 2, "epoch": 1.0, "loss": 0.5}, {"step": 2, "epoch": 1.0, "eval_ndcg@10": 0.9}], "ndcg@10")
    (CurvePoint(step=2, epoch=1.0, loss=0.5, metric=0.9, learning_rate=None),)
    """
    steps: dict[int, dict[str, Any]] = {}
    for entry in history:
        if "loss" in entry or f"eval_{metric}" in entry:
            steps.setdefault(entry["step"], {}).update(entry)
    return tuple(
        CurvePoint(
            step=step,
            epoch=round(float(entry.get("epoch", 0)), 4),
            loss=entry.get("loss"),
            metric=entry.get(f"eval_{metric}"),
            learning_rate=entry.get("learning_rate"),
        )
        for step, entry in sorted(steps.items())
    )
