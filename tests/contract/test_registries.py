"""The contract of a registry of models."""

import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.failpoints import NAMES
from llm_engineering.domain.models import CurvePoint, RegisteredModel, Stage, Switch, TrainingRecord
from llm_engineering.infrastructure.registries import FileRegistry

NAN, INFINITY = float("nan"), float("inf")


def weights_in(folder: Path, value: float = 1.0, dtype: str = "float32", name: str = "model.safetensors") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"first": np.zeros((4, 4), dtype), "last": np.full((3,), value, dtype)}, folder / name)
    (folder / "config.json").write_text('{"hidden_size": 4}')
    return folder


def embedder(name: str = "retriever", **facts: object) -> RegisteredModel:
    return RegisteredModel.model_validate({"name": name, "number": 0, "kind": "embedder", **facts})


def registered(home: Path, times: int) -> list[int]:
    """Register in a process of its own."""
    registry = FileRegistry(home)
    folder = weights_in(home / f"from-{os.getpid()}")
    return [registry.register(embedder(), folder).number for _ in range(times)]


@pytest.fixture
def registry(home: Path) -> FileRegistry:
    return FileRegistry(home)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return weights_in(tmp_path / "model")


def test_versions_are_numbered_and_survive_a_restart(registry: FileRegistry, folder: Path, home: Path) -> None:
    assert [registry.register(embedder(), folder).number for _ in range(3)] == [1, 2, 3]
    registry.register(RegisteredModel(name="search", number=0, kind="retrieval", settings={"k": 5}), None)

    again = FileRegistry(home)

    assert again.names() == ["retriever", "search"]
    assert [one.reference for one in again.versions("retriever")] == ["retriever@1", "retriever@2", "retriever@3"]
    assert again.find("search").settings == {"k": 5}
    assert again.versions("nothing") == []


def test_files_are_copied_and_their_digests_are_those_that_sha256sum_shows(
    registry: FileRegistry, folder: Path
) -> None:
    from hashlib import sha256

    model = registry.register(embedder(), folder)

    there = registry.folder(model)
    assert there != folder
    assert sorted(path.name for path in there.iterdir()) == ["config.json", "model.safetensors"]
    assert model.weights == sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert {file.path: file.bytes for file in model.files} == {
        path.name: path.stat().st_size for path in folder.iterdir()
    }


def test_a_reference_finds_production_else_the_newest(registry: FileRegistry, folder: Path) -> None:
    one, two, three = (registry.register(embedder(), folder) for _ in range(3))
    assert registry.find("retriever").number == 3
    registry.set_stage(two, Stage.PRODUCTION)
    assert registry.find("retriever").number == 2
    assert registry.find("registry:retriever@production").stage is Stage.PRODUCTION
    registry.set_stage(one, Stage.STAGING)
    assert registry.find("retriever@staging").number == 1
    assert registry.find("retriever@3") == three


def test_production_and_staging_have_one_version_each(registry: FileRegistry, folder: Path) -> None:
    models = [registry.register(embedder(), folder) for _ in range(3)]
    for model in models:
        registry.set_stage(model, Stage.PRODUCTION)
    registry.set_stage(models[0], Stage.STAGING)
    assert [model.stage for model in registry.versions("retriever")] == [
        Stage.STAGING,
        Stage.ARCHIVED,
        Stage.PRODUCTION,
    ]
    registry.set_stage(models[1], Stage.STAGING)
    assert [model.stage for model in registry.versions("retriever")] == [
        Stage.ARCHIVED,
        Stage.STAGING,
        Stage.PRODUCTION,
    ]


@pytest.mark.parametrize(
    "reference", ["", "@1", "a@", "a@0", "a@-1", "a@best", "../a", "a/b", "a@1@2", ".hidden", "a b", "a\n", "a@none"]
)
def test_what_is_no_reference_is_refused_with_what_is_one(registry: FileRegistry, reference: str) -> None:
    with pytest.raises(UsageError, match=r"no reference|no name"):
        registry.find(reference)


def test_an_unknown_version_is_answered_with_those_that_are_there(registry: FileRegistry, folder: Path) -> None:
    with pytest.raises(UsageError, match="none yet"):
        registry.find("retriever")
    registry.register(embedder(), folder)
    with pytest.raises(UsageError, match=r"no version '7'; it has: 1 \(none\)"):
        registry.find("retriever@7")
    with pytest.raises(UsageError, match="no version 'production'"):
        registry.find("retriever@production")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".git", "-x", "a" * 64, "a b", "ä"])
def test_names_with_paths_in_them_are_refused(registry: FileRegistry, folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name of a model"):
        registry.register(embedder(name), folder)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
def test_weights_that_are_not_finite_are_refused(
    registry: FileRegistry, tmp_path: Path, value: float, dtype: str
) -> None:
    with pytest.raises(UsageError, match="'last' holds NaN or infinity"):
        registry.register(embedder(), weights_in(tmp_path / "bad", value, dtype))
    assert registry.names() == []


def test_bfloat16_is_looked_at_too(registry: FileRegistry, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file as save

    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder, value in ((good, 3e38), (bad, NAN)):
        folder.mkdir()
        save({"x": torch.tensor([1.0, value], dtype=torch.bfloat16)}, folder / "model.safetensors")
    assert registry.register(embedder(), good).number == 1
    with pytest.raises(UsageError, match="not finite"):
        registry.register(embedder(), bad)


@pytest.mark.parametrize("name", ["model.bin", "model.pt", "modeling_x.py", "weights.pkl", "run.sh", "a.onnx", "noend"])
def test_files_that_may_hold_code_are_refused(registry: FileRegistry, folder: Path, name: str) -> None:
    (folder / name).write_bytes(pickle.dumps([1]))
    with pytest.raises(UsageError, match=f"{name} .* is not let in"):
        registry.register(embedder(), folder)


def test_what_git_and_systems_leave_in_a_folder_is_left_behind(registry: FileRegistry, folder: Path) -> None:
    (folder / ".git" / "hooks").mkdir(parents=True)
    for name in (".gitattributes", ".DS_Store", ".git/config", ".git/hooks/run.sh"):
        (folder / name).write_text("x")
    files = {path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}
    assert {file.path for file in registry.register(embedder(), folder).files} == files


def test_links_are_refused(registry: FileRegistry, folder: Path, tmp_path: Path) -> None:
    (folder / "linked.json").symlink_to(folder / "config.json")
    with pytest.raises(UsageError, match="link"):
        registry.register(embedder(), folder)
    (folder / "linked.json").unlink()
    (folder / "sub").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="link"):
        registry.register(embedder(), folder)


@pytest.mark.parametrize("content", [b"", b"\x00" * 4, b"\xff" * 64, b"\x02" + b"\0" * 7 + b"[]"])
def test_what_is_no_safetensors_file_is_refused(registry: FileRegistry, folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(UsageError, match="no safetensors file"):
        registry.register(embedder(), folder)


def test_a_model_without_weights_is_refused(registry: FileRegistry, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (None, empty):
        with pytest.raises(UsageError, match=r"no \*\.safetensors"):
            registry.register(embedder(), folder)
    with pytest.raises(UsageError, match="no folder"):
        registry.register(embedder(), tmp_path / "nowhere")


def test_figures_that_are_no_numbers_are_refused(registry: FileRegistry, folder: Path) -> None:
    point = CurvePoint(step=10, epoch=1.0, loss=NAN)
    with pytest.raises(UsageError, match="loss at step 10"):
        registry.register(embedder(training=TrainingRecord(curve=(point,))), folder)
    with pytest.raises(UsageError, match="metric test/ndcg@10"):
        registry.register(embedder(metrics={"test/ndcg@10": Estimate(value=NAN, low=0, high=1, n=3)}), folder)
    model = registry.register(embedder(), folder)
    with pytest.raises(UsageError, match="metric x"):
        registry.keep(model.model_copy(update={"metrics": {"x": Estimate(value=1, low=0, high=INFINITY, n=3)}}))


def test_files_that_were_changed_are_found_at_every_use(registry: FileRegistry, folder: Path) -> None:
    model = registry.register(embedder(), folder)
    weights = registry.folder(model) / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UsageError, match=r"model\.safetensors of model retriever@1 was changed"):
        registry.folder(model)
    weights.unlink()
    with pytest.raises(UsageError, match="is missing"):
        registry.folder(model)
    weights.symlink_to(folder / "model.safetensors")
    with pytest.raises(UsageError, match="was changed"):
        registry.folder(model)
    weights.unlink()
    weights.write_bytes(content)
    (weights.parent / "modeling.py").write_text("evil")
    with pytest.raises(UsageError, match="is foreign"):
        registry.folder(model)
    (weights.parent / "modeling.py").unlink()
    assert registry.folder(model) == weights.parent


def test_a_card_that_was_changed_by_hand_is_not_believed(registry: FileRegistry, folder: Path) -> None:
    model = registry.register(embedder(), folder)
    card = registry.folder(model).parent / "card.json"
    facts = json.loads(card.read_text())
    card.write_text(json.dumps(facts | {"dataset_digest": "0" * 64}))
    with pytest.raises(UsageError, match="changed by hand"):
        registry.find("retriever@1")
    card.write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        registry.find("retriever@1")
    assert registry.versions("retriever") == []


def test_new_facts_are_kept_and_files_stay(registry: FileRegistry, folder: Path) -> None:
    model = registry.set_stage(registry.register(embedder(), folder), Stage.STAGING)
    metrics = {"test/ndcg@10": Estimate(value=0.9, low=0.85, high=0.95, n=300)}
    kept = registry.keep(model.model_copy(update={"metrics": metrics, "evaluations": ("e1",), "stage": Stage.NONE}))
    assert kept == registry.find("retriever@1")
    assert (kept.metrics, kept.evaluations, kept.stage) == (metrics, ("e1",), Stage.STAGING)
    with pytest.raises(UsageError, match="weights of model retriever@1 cannot be changed"):
        registry.keep(kept.model_copy(update={"weights": "0" * 64}))


def test_processes_that_register_at_once_lose_nothing(registry: FileRegistry, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        numbers = [number for found in pool.map(registered, [home] * 3, [5] * 3) for number in found]
    assert sorted(numbers) == list(range(1, 16))
    assert [model.number for model in registry.versions("retriever")] == list(range(1, 16))


def test_switches_are_kept_with_the_stages_that_follow(registry: FileRegistry, folder: Path) -> None:
    for _ in range(2):
        registry.register(embedder(), folder)
    registry.record(Switch(name="retriever", number=1))
    registry.record(Switch(name="retriever", number=2, left=1))
    assert [model.stage for model in registry.versions("retriever")] == [Stage.ARCHIVED, Stage.PRODUCTION]
    registry.record(Switch(name="retriever", number=0, left=2, kind="rollback"))
    assert [model.stage for model in registry.versions("retriever")] == [Stage.ARCHIVED, Stage.ARCHIVED]
    assert [switch.number for switch in registry.switches("retriever")] == [1, 2, 0]


KILLED = """
import sys
from pathlib import Path
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.infrastructure.registries import FileRegistry
registry = FileRegistry(Path(sys.argv[1]))
model = registry.register(RegisteredModel(name="retriever", number=0, kind="embedder"), Path(sys.argv[2]))
registry.keep(model.model_copy(update={"dataset": "pairs@1"}))
"""


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("registry.")])
def test_a_killed_process_leaves_a_whole_version_or_none(
    registry: FileRegistry, folder: Path, home: Path, name: str
) -> None:
    environment = os.environ | {"LLM_ENGINEERING_FAILPOINT": f"{name}=kill"}
    ended = subprocess.run([sys.executable, "-c", KILLED, str(home), str(folder)], env=environment, check=False)

    assert ended.returncode == -9
    there = registry.versions("retriever")
    assert len(there) == (0 if name in ("registry.after_copy", "registry.before_rename") else 1)
    assert [model.dataset for model in there] in ([], [""], ["pairs@1"])
    for model in there:
        registry.folder(model)
        registry.keep(model.model_copy(update={"dataset": "pairs@2"}))
    new = registry.register(embedder(), folder)
    assert new.number > len(there)
    assert registry.find("retriever") == new
    assert not list((home / "registry" / "retriever").glob("*.part"))
