"""Training and promotion as ZenML runs, and ZenML's Model Control Plane, which shows what the registry has."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_lines import python, tool
from promoted import MODEL, World, good_model
from safetensors.numpy import save_file

from llm_engineering import stages
from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.domain.models import Stage

pytestmark = pytest.mark.training

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from pathlib import Path
from tools.zenml_home import prepare_zenml
prepare_zenml()
from zenml.client import Client
from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import RegisteredModel, Stage, Switch
from steps.registry import disagreements, show
registry = open_registry(Workspace())
card = RegisteredModel(
    name="retriever", number=0, kind="embedder", dataset="pairs@1", template="abc", settings={"epochs": 2},
    metrics={"test/ndcg@10": Estimate(value=0.5, low=0.4, high=0.6, n=9)},
)
for _ in range(2):
    registry.register(card, Path(sys.argv[1]))
    registry.record(Switch(name="retriever", number=len(registry.versions("retriever")), left=0))
assert list(disagreements("retriever")) == ["ZenML does not show retriever@1", "ZenML does not show retriever@2"]
show("retriever")
found = Client().get_model_version("retriever", "production")
assert found.name == "v2", found.name
assert found.run_metadata["intervals"] == {"test/ndcg@10": "0.500 [0.400, 0.600]"}, found.run_metadata
assert found.run_metadata["dataset"] == "pairs@1" and found.run_metadata["template_hash"] == "abc"
assert Client().get_model_version("retriever", "v1").stage == "archived"
assert not list(disagreements("retriever"))
registry.record(Switch(name="retriever", number=1, left=2, kind="rollback"))
assert list(disagreements("retriever")) == [
    "ZenML shows retriever@1 as archived, the registry has it as production",
    "ZenML shows retriever@2 as production, the registry has it as archived",
]
show("retriever")
assert Client().get_model_version("retriever", "production").name == "v1"
registry.record(Switch(name="retriever", number=0, left=1, kind="rollback"))
show("retriever")
assert not list(disagreements("retriever"))
assert not [one for one in Client().list_model_versions(model="retriever").items if one.stage == "production"]
"""


@pytest.mark.slow
def test_zenml_follows_promotion_and_rollback(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a": np.ones((2, 2), "float32")}, folder / "model.safetensors")
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr[-3_000:]


LOOK = """
import json
from tools.zenml_home import prepare_zenml
prepare_zenml()
from zenml.client import Client
def run(name):
    return Client().list_pipeline_runs(pipeline=name, sort_by="desc:created", size=1, hydrate=True).items[0]
trained, promoted = run("training"), run("promotion")
shown = Client().get_model_version("retriever", "production")
step = trained.steps["train_model"]
print(json.dumps({
    "status": [str(trained.status), str(promoted.status)],
    "training": {name: step.run_metadata[name] for name in ("parameters", "metrics", "training")},
    "weights": sorted(path.name for path in step.outputs["weights"][0].load().folder.rglob("*.safetensors")),
    "record": step.outputs["trained"][0].load().record.steps,
    "steps": sorted(promoted.steps),
    "verdict": promoted.steps["judge_candidate"].outputs["verdict"][0].load().passed,
    "version": shown.name,
    "dataset": shown.run_metadata["dataset"],
    "interval": shown.run_metadata["intervals"]["test/ndcg@10"],
    "against": shown.run_metadata["verdict"]["against"],
    "linked": sorted({one.name for one in Client().list_artifact_versions(model_version_id=shown.id, size=99).items}),
}))
"""


@pytest.mark.slow
@pytest.mark.skipif(MODEL is None, reason="the package with the default embedding model is not installed")
def test_training_and_promotion_run_on_zenml_and_leave_their_figures_there(tmp_path: Path, home: Path) -> None:
    world = World(tmp_path)
    world.register(good_model(tmp_path / "good"))
    config = world.project("retriever").model_dump(mode="json", exclude_unset=True)
    trainer = {"base": str(world.base), "batch": 8, "epochs": 1, "threads": 1, "device": "cpu", "evaluations": 1}
    config |= {"training": {"model": "other", "dataset": "pairs", "trainer": trainer}}
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML

    for pipeline in ("training", "promotion"):
        ran = tool(home, "run", pipeline, "--config", str(path), "--json", OMP_NUM_THREADS="1")
        assert ran.code == 0, ran.err[-3_000:] + ran.out[-3_000:]
    report = ran.last_line["promotion"]
    assert (report["model"], report["promoted"], report["index"]) == ("retriever@1", True, "v2")
    registry = open_registry(Workspace())
    assert registry.find("retriever@1").stage is Stage.PRODUCTION

    seen = python(home, ["-c", LOOK]).last_line
    assert seen["status"] == ["completed", "completed"]
    assert seen["training"]["parameters"]["trainer.batch"] == 8
    record = registry.find("other@1").training
    assert record is not None
    assert seen["training"]["training"]["steps"] == seen["record"] == record.steps
    assert seen["training"]["training"]["loss"][-1][0] == record.curve[-1].step
    assert "general/ndcg@10" in seen["training"]["metrics"]
    assert seen["verdict"] is True
    assert {"find_candidate", "plan_index", "evaluate_candidate", "judge_candidate", "promote"} <= set(seen["steps"])
    assert (seen["version"], seen["dataset"], seen["against"]) == ("v1", world.dataset.reference, stages.BASE)
    assert seen["interval"] == str(registry.find("retriever@1").metrics["test/ndcg@10"])
    assert any("verdict" in name for name in seen["linked"]), seen["linked"]
