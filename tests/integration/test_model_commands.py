"""`tools.models`: answers, and how it answers what cannot be done."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import RegisteredModel, Stage
from llm_engineering.domain.promotions import Check, PromotionVerdict
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
        known = ("validation/ndcg@10/before", "validation/ndcg@10", "test/hit@1", "test/ndcg@10")
        metrics = {name: Estimate(value=at / 10, low=0, high=1, n=9) for at, name in enumerate(known, start=2)}
        card = RegisteredModel(
            name="retriever", number=0, kind="embedder", settings={"trainer": {"epochs": epochs}}, metrics=metrics
        )
        registry.set_stage(registry.register(card, folder), Stage.PRODUCTION)

    assert command(monkeypatch, "list", "--no-zenml", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["models"]
    assert [(one["number"], one["stage"]) for one in listed] == [(1, "archived"), (2, "production")]
    assert command(monkeypatch, "list", "--no-zenml") == 0
    told = capsys.readouterr().out
    assert "test/ndcg@10 0.500 [0.000, 1.000], validation/ndcg@10 0.300" in told
    assert "/before" not in told, "figures of the base are not those of the model"

    checks = (Check(name="leak", passed=True, detail="none"), Check(name="better", passed=False, detail="by chance"))
    verdict = PromotionVerdict(model="retriever@2", against="x", metric="ndcg@10", passed=False, checks=checks)
    registry.keep_verdict(registry.find("retriever@2"), "run1", verdict.model_dump_json())
    assert command(monkeypatch, "show", "retriever") == 0
    shown = capsys.readouterr().out
    assert "test/ndcg@10: 0.500 [0.000, 1.000]" in shown
    assert "retriever@2 is refused, compared with x\n    leak: passed: none\n    better: REFUSED: by chance" in shown
    assert command(monkeypatch, "compare", "retriever@1", "retriever@2") == 0
    assert "settings.trainer.epochs: 1 → 2" in capsys.readouterr().out


def test_what_was_damaged_is_named_and_the_rest_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = open_registry(Workspace())
    model = registry.register(RegisteredModel(name="retriever", number=0, kind="embedder"), folder)
    # A figure that was no number is null in what is kept of a refusal.
    evidence = {"general": {"digest": "d", "before": [None], "after": [0.5]}}
    refused = {"model": model.reference, "against": "x", "metric": "m", "passed": False, "evidence": evidence}
    refused["checks"] = [{"name": "general", "passed": False, "detail": "nDCG@10 is no number"}]
    registry.keep_verdict(model, "run1", json.dumps(refused))
    registry.keep_verdict(model, "run2", "{")
    assert command(monkeypatch, "show", "retriever@1", "--no-zenml") == 0
    told = capsys.readouterr()
    assert "weights: " in told.out
    assert "general: REFUSED: nDCG@10 is no number" in told.out
    assert told.err.count("is left out: JSONDecodeError") == 1
    assert command(monkeypatch, "show", "retriever@1", "--json") == 0
    assert [one["passed"] for one in json.loads(capsys.readouterr().out)["verdicts"]] == [False]
    card = registry.folder(model).parent / "card.json"
    card.write_text(card.read_text().replace('"licence": ""', '"licence": "MIT"'))
    assert command(monkeypatch, "list", "--no-zenml") == 0
    assert capsys.readouterr().out == "no version in the registry can be used; the warnings say why\n"
