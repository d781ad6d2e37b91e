"""A training step leaves its parameters and curves in a real ZenML, and two runs can be laid side by side."""

from pathlib import Path

import pytest
from command_lines import ROOT, python

pytestmark = pytest.mark.slow

# A file, since ZenML reads the source of a step. In a process of its own: its client belongs to one home.
RUN = """
import json
from tools.zenml_home import prepare_zenml
prepare_zenml()
from zenml import pipeline, step
from zenml.client import Client
from llm_engineering.domain.models import CurvePoint, TrainingRecord
from steps.tracking import track

@step(enable_cache=False)
def train(rate: float) -> None:
    curve = tuple(CurvePoint(step=n, epoch=n / 2_000, loss=rate / n) for n in range(1, 2_001))
    record = TrainingRecord(steps=2_000, seed=3, curve=curve)
    track({"trainer": {"kind": "embedder", "rate": rate}, "api_key": "hunter2-hunter2"}, record, {"ndcg@10": rate})

@pipeline
def training(rate: float) -> None:
    train(rate)

if __name__ == "__main__":
    for rate in (0.5, 0.25):
        training(rate)
    runs = Client().list_pipeline_runs(pipeline="training", sort_by="asc:created", hydrate=True).items
    print(json.dumps([dict(run.steps["train"].run_metadata) for run in runs]))
"""


def test_parameters_figures_and_curves_of_two_runs_are_in_zenml(tmp_path: Path, home: Path) -> None:
    script = tmp_path / "watched.py"
    script.write_text(RUN)
    first, second = python(home, [str(script)], PYTHONPATH=str(ROOT)).last_line
    assert first["parameters"] == {"trainer.kind": "embedder", "trainer.rate": 0.5, "api_key": "***"}
    assert second["parameters"]["trainer.rate"] == 0.25
    assert first["metrics"] == {"ndcg@10": 0.5}
    assert first["training"]["steps"] == 2_000
    assert first["training"]["loss"][0] == [1, 0.5]
    assert first["training"]["loss"][-1][0] == 2_000
