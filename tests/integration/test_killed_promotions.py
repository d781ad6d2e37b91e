"""A promotion or rollback that is killed at any point leaves model and index together, in the old state or the new."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from llm_engineering import maintenance, plain, promotions, stages
from llm_engineering.application import versioning
from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.config import FeatureConfig, Load, ProjectConfig
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.models import RegisteredModel, Stage

ROOT = Path(__file__).resolve().parents[2]
POINTS = [
    "run.after_start",
    "promote.after_intent",
    "publish.before_copy",
    "publish.in_copy",
    "publish.after_pointer",
    "publish.before_record",
    "publish.after_record",
    "promote.after_index",
    "promote.after_record",
    "run.before_finish",
]
PROMOTE = """
from llm_engineering import stages
from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.config import ProjectConfig, PromotionConfig
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.promotions import PromotionVerdict
workspace = Workspace()
sections = {"embedding": {"kind": "hashing"}, "load": {"collection": "world"}}
config = ProjectConfig.model_validate(sections).of(PromotionConfig)
model = open_registry(workspace).find("retriever@1")
with workspace.store(config.load) as store:
    plan = Plan(run=0, collection="world", manifest=store.versions()["v2"])
verdict = PromotionVerdict(
    model=model.reference, against=stages.BASE, metric="ndcg@10", passed=True, checks=(), weights=model.weights
)
with stages.run_of("promotion", {}, ["collection world", "model retriever"]) as run:
    done = stages.promote(config, model, verdict, plan, run)
    stages.report("promotion", run, promotion=done)
"""
ROLLBACK = "from llm_engineering import promotions\npromotions.rollback('retriever')"


def features(dimension: int) -> FeatureConfig:
    return ProjectConfig.model_validate(
        {
            "ingest": {
                "sources": [{"kind": "memory", "documents": {"memory://a.txt": "some words", "memory://b.txt": "more"}}]
            },
            "embedding": {"kind": "hashing", "dimension": dimension},
            "load": {"collection": "world", "keep_versions": 1},
        }
    ).of(FeatureConfig)


def in_process(script: str, failpoint: str = "") -> int:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LLM_ENGINEERING_LEASE_SECONDS": "1"}
    if failpoint:
        environment["LLM_ENGINEERING_FAILPOINT"] = f"{failpoint}=kill"
    return subprocess.run([sys.executable, "-c", script], env=environment, check=False, timeout=240).returncode


def state() -> tuple[str, int, int]:
    """Return the active index, the version in production, and how many switches are half-done."""
    registry = open_registry(Workspace())
    with Workspace().store(Load(collection="world")) as store:
        return versioning.seen(store), registry.stage_of("retriever", Stage.PRODUCTION), len(registry.intents())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_ENGINEERING_LEASE_SECONDS", "1")
    for dimension in (16, 32):
        plain.feature(features(dimension))
    maintenance.rollback(features(16))
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a": np.ones((2, 2), "float32")}, folder / "model.safetensors")
    open_registry(Workspace()).register(RegisteredModel(name="retriever", number=0, kind="embedder"), folder)


@pytest.mark.slow
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_promotion_is_completed_or_undone_by_the_next_run(point: str) -> None:
    assert in_process(PROMOTE, point) == -9

    with stages.run_of("whoever comes next", {}, []) as run:
        stages.report("whoever comes next", run)

    switched = point in POINTS[4:]
    index, production, intents = state()
    assert (production, intents) == (int(switched), 0)
    assert index == ("v2" if switched else "v1")
    if not switched:
        assert in_process(PROMOTE) == 0
        assert state() == ("v2", 1, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("point", ["promote.after_intent", "promote.after_index", "promote.after_record"])
def test_a_killed_rollback_is_completed_or_undone_when_the_registry_is_asked_next(point: str) -> None:
    assert in_process(PROMOTE) == 0
    assert state() == ("v2", 1, 0)
    assert in_process(ROLLBACK, point) == -9

    with suppress(UsageError):  # there is nothing to roll back if it was completed
        promotions.rollback("retriever")

    assert state() == ("v1", 0, 0)


@pytest.mark.usefixtures("world")
def test_two_promotions_at_once_are_refused_with_the_reason() -> None:
    with stages.run_of("promotion", {}, ["collection world", "model retriever"]) as run:
        with pytest.raises(BackendError, match=r"model retriever|collection world"):
            stages.open_run("promotion", {}, ["collection other", "model retriever"])
        stages.report("promotion", run)


@pytest.mark.slow
@pytest.mark.usefixtures("world")
def test_the_index_that_may_be_rolled_back_to_is_not_dropped() -> None:
    assert in_process(PROMOTE) == 0
    config = features(32)
    config = config.model_copy(update={"load": config.load.model_copy(update={"keep_versions": 0})})
    plain.feature(config)
    assert promotions.rollback("retriever").index == "v1"
    assert state() == ("v1", 0, 0)
