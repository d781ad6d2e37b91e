"""ZenML's Model Control Plane shows what the registry has."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

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
