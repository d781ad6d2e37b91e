"""What ZenML is told of a training: nested settings by dotted names, curves short enough to keep."""

import pytest

from llm_engineering.domain.models import CurvePoint, TrainingRecord
from steps import tracking


def test_a_long_curve_is_thinned_out_and_keeps_its_ends() -> None:
    points = tuple(CurvePoint(step=step, epoch=step / 100, loss=1.0 / step) for step in range(1, 10_001))
    loss = tracking.curves(points)["loss"]
    assert len(loss) <= tracking.POINTS + 1
    assert loss[0] == [1, 1.0]
    assert loss[-1] == [10_000, 0.0001]


def test_numbers_that_are_none_are_left_out() -> None:
    points = (CurvePoint(step=1, epoch=0.0, loss=float("nan")), CurvePoint(step=2, epoch=0.0, loss=1.0))
    assert tracking.curves(points) == {"loss": [[2, 1.0]]}


def test_secrets_are_left_out_and_figures_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[dict[str, object]] = []
    monkeypatch.setattr(tracking, "log_metadata", kept.append)  # ZenML takes it only inside a running step
    record = TrainingRecord(steps=7, curve=(CurvePoint(step=7, epoch=1.0, loss=0.5),))
    tracking.track({"llm": {"api_key": "hunter2-hunter2"}, "seed": 3}, record, {"ndcg@10": 0.9})
    assert kept[0]["parameters"] == {"llm.api_key": "***", "seed": 3}
    assert kept[0]["metrics"] == {"ndcg@10": 0.9}
    assert kept[0]["training"]["loss"] == [[7, 0.5]]  # type: ignore[index]
    assert kept[0]["training"]["steps"] == 7  # type: ignore[index]
