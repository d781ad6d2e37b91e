"""A promotion or rollback that is killed at any point leaves model and index together, in the old state or the new."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from chaos import scale
from safetensors.numpy import save_file

from llm_engineering import maintenance, plain, promotions, stages
from llm_engineering.application import versioning
from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.config import FeatureConfig, Load, ProjectConfig, PromotionConfig
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.models import RegisteredModel, Stage
from llm_engineering.domain.promotions import PromotionVerdict

pytestmark = pytest.mark.training

ROOT = Path(__file__).resolve().parents[2]
# With CHAOS=1 every point of a switch; else one before the readers see the index, one in the copy, and two after it.
BEFORE = ["promote.after_intent", "publish.in_copy"]
AFTER = ["publish.after_pointer", "promote.after_record"]
ROLLBACKS = ["promote.after_index"]
if scale.BIG:
    BEFORE += ["run.after_start", "publish.before_copy"]
    AFTER += ["publish.before_record", "publish.after_record", "promote.after_index", "run.before_finish"]
    ROLLBACKS += ["promote.after_intent", "promote.after_record"]
PROMOTE = "from test_killed_promotions import promote; promote()"
ROLLBACK = "from llm_engineering import promotions; promotions.rollback('retriever')"


def promote() -> None:
    """Put version 1 into production with index v2, as the last step of the pipeline does."""
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
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", Path(__file__).parent)))
    environment = os.environ | {"PYTHONPATH": paths, "LLM_ENGINEERING_LEASE_SECONDS": "1"}
    if failpoint:
        environment["LLM_ENGINEERING_FAILPOINT"] = f"{failpoint}=kill"
    return subprocess.run([sys.executable, "-c", script], env=environment, check=False, timeout=240).returncode


def state() -> tuple[str, int, int]:
    """Return the active index, the version in production, and how many switches are half-done."""
    registry = open_registry(Workspace())
    with Workspace().store(Load(collection="world")) as store:
        return versioning.seen(store), registry.stage_of("retriever", Stage.PRODUCTION), len(registry.intents())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with two index versions, of which v1 is active, and a model that v2 could be of."""
    folder = tmp_path_factory.mktemp("promotions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_ENGINEERING_HOME", str(folder / "home"))
        for dimension in (16, 32):
            plain.feature(features(dimension))
        maintenance.rollback(features(16))
        (folder / "model").mkdir()
        save_file({"a": np.ones((2, 2), "float32")}, folder / "model" / "model.safetensors")
        card = RegisteredModel(name="retriever", number=0, kind="embedder")
        open_registry(Workspace()).register(card, folder / "model")
    return folder / "home"


@pytest.fixture
def world(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copytree(made, home)
    monkeypatch.setenv("LLM_ENGINEERING_LEASE_SECONDS", "1")


@pytest.mark.slow
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("point", [*BEFORE, *AFTER])
def test_a_killed_promotion_is_completed_or_undone_by_the_next_run(point: str) -> None:
    assert in_process(PROMOTE, point) == -9

    with stages.run_of("whoever comes next", {}, []) as run:
        stages.report("whoever comes next", run)

    switched = point in AFTER
    index, production, intents = state()
    assert (production, intents) == (int(switched), 0)
    assert index == ("v2" if switched else "v1")
    if not switched:
        promote()
        assert state() == ("v2", 1, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("point", ROLLBACKS)
def test_a_killed_rollback_is_completed_or_undone_when_the_registry_is_asked_next(point: str) -> None:
    promote()
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
    promote()
    config = features(32)
    config = config.model_copy(update={"load": config.load.model_copy(update={"keep_versions": 0})})
    plain.feature(config)
    assert promotions.rollback("retriever").index == "v1"
    assert state() == ("v1", 0, 0)
