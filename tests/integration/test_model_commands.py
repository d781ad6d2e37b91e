"""`tools.models`: answers, and how it answers what cannot be done."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import RegisteredModel, Stage
from tools import models
from tools.command_line import guarded


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["models", *words])
    return guarded(models.main)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a": np.ones((2, 2), "float32")}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["show", "nothing"], "there is no model 'nothing'"),
        (["show", "../x"], "is no name of a model"),
        (["show", "retriever@9"], "has no version '9'"),
        (["compare", "retriever@1", "retriever@x"], "is no reference"),
        (["promote", "nothing", "--no-zenml"], "there is no model 'nothing'"),
        (["rollback", "retriever", "--no-zenml"], "nothing to roll back"),
        (["rollback", "nothing", "--no-zenml"], "there is no model 'nothing'"),
        (["import", "./nowhere", "x", "--no-zenml"], "there is no folder './nowhere'"),
        (["import", "owner/name", "x", "--revision", "main", "--no-zenml"], "'main' is no commit"),
        (["push", "nothing@1", "me/x"], "there is no model 'nothing'"),
        (["list", "nothing", "--no-zenml"], "there is no model 'nothing'"),
        (["sync", "nothing"], "there is no model 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2(
    words: list[str], reason: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "import", str(folder), "retriever", "--no-zenml") == 0
    assert command(monkeypatch, *words) == 2
    assert reason in capsys.readouterr().err


def test_versions_are_listed_shown_and_compared(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = open_registry(Workspace())
    for epochs in (1, 2):
        metrics = {"test/ndcg@10": Estimate(value=0.5, low=0.4, high=0.6, n=9)}
        card = RegisteredModel(
            name="retriever", number=0, kind="embedder", settings={"trainer": {"epochs": epochs}}, metrics=metrics
        )
        registry.set_stage(registry.register(card, folder), Stage.PRODUCTION)

    assert command(monkeypatch, "list", "--no-zenml", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["models"]
    assert [(one["number"], one["stage"]) for one in listed] == [(1, "archived"), (2, "production")]
    assert command(monkeypatch, "show", "retriever") == 0
    assert "test/ndcg@10: 0.500 [0.400, 0.600]" in capsys.readouterr().out
    assert command(monkeypatch, "compare", "retriever@1", "retriever@2") == 0
    assert "settings.trainer.epochs: 1 → 2" in capsys.readouterr().out
