"""A pretrained GPT into production: judged by the documents that were held out from it, and rolled back."""

import json
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from dataset_world import fill

from llm_engineering import plain
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.training import open_registry
from llm_engineering.config import PretrainingConfig, PromotionConfig, read_config
from llm_engineering.domain.errors import GateFailed
from llm_engineering.domain.models import Stage
from llm_engineering.domain.promotions import PromotionReport, PromotionVerdict
from llm_engineering.promotions import rollback

TRAINER = {
    "kind": "gpt", "vocabulary": {"kind": "bpe", "size": 300}, "width": 64, "stride": 16, "layers": 1, "heads": 2,
    "channels": 32, "batch": 4, "learning_rate": 1e-2, "evaluate_every": 20, "threads": 1, "precision": "fp32",
    "device": "cpu",
}  # fmt: skip


WORDS = ["".join(two) for two in product(["ba", "ko", "li", "mu", "ne", "pra", "so", "tri"], repeat=2)]


def texts(words: int) -> dict[str, str]:
    """Return documents in which some words follow each other, and of which each has words of its own."""
    found = {}
    for number in range(24):
        drawing = Random(number)
        own = [f"{drawing.choice(WORDS)}{drawing.choice(WORDS)}" for _ in range(24)]
        starts = [drawing.randrange(0, 60, 3) for _ in range(words)]
        lines = [" ".join([*WORDS[start : start + 3], drawing.choice(own)]) for start in starts]
        found[f"page{number}"] = ".\n".join(lines)
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / "home"))
    fill(tmp_path / "notes", texts(160))
    return tmp_path


def pretrain(**trainer: Any) -> None:
    plain.pretraining(read_config(PretrainingConfig, None, [f"pretraining.trainer={json.dumps(TRAINER | trainer)}"]))


def promote(*overrides: str) -> PromotionReport:
    settings = ["promotion.model=gpt", "evaluation.fewest=6", "evaluation.resamples=400", *overrides]
    report = plain.promotion(read_config(PromotionConfig, None, settings)).promotion
    assert report is not None
    return report


def refused(*overrides: str) -> PromotionVerdict:
    verdict = promote(*overrides).verdict
    assert verdict is not None
    assert not verdict.passed
    return verdict


@pytest.mark.slow
def test_it_has_to_beat_the_bar_then_what_is_in_production_and_is_rolled_back(home: Path) -> None:
    pretrain(steps=1, learning_rate=1e-6)
    beaten = refused()
    assert beaten.against == "trigrams of the same texts"
    assert not next(check for check in beaten.checks if check.name == "better").passed

    pretrain(steps=40)
    first = promote("promotion.bar=untrained")
    assert first.promoted
    assert (first.model, first.left) == ("gpt@2", "nothing")
    assert first.verdict is not None
    assert first.verdict.against == "a model that has learnt nothing"
    assert first.verdict.evidence.after is not None
    assert first.verdict.evidence.after.questions_from == "default@v1/validation"

    pretrain(steps=1, seed=1)
    worse = refused()
    assert worse.against == "gpt@2"
    assert worse.evidence.comparison is not None
    assert worse.evidence.comparison.of("log_likelihood").verdict == "worse"
    registry = open_registry(Workspace())
    assert registry.stage_of("gpt", Stage.PRODUCTION) == 2

    back = rollback("gpt")
    assert str(back) == "nothing is in production in place of gpt@2"
    assert registry.stage_of("gpt", Stage.PRODUCTION) == 0


@pytest.mark.slow
def test_documents_that_changed_and_none_held_out_are_said(home: Path) -> None:
    pretrain(steps=1)
    with pytest.raises(GateFailed, match=r"judged by those which were held out.*Leave promotion\.dataset out"):
        promote("promotion.dataset=instructions")
    fill(home / "notes", texts(150))
    with pytest.raises(
        GateFailed, match=r"learnt from the documents of default@v1, and those of default@v1 are others"
    ):
        promote()
