"""One model from random weights to an answer: pretrained, instructed, shown what is better, and served."""

import asyncio
import json
from pathlib import Path

import pytest
from instruction_rows import instructions, preferences

from llm_engineering import plain
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.bootstrap.llms import open_llms
from llm_engineering.bootstrap.training import open_registry
from llm_engineering.config import PretrainingConfig, TrainingConfig, read_config
from llm_engineering.domain.datasets import DatasetCard
from llm_engineering.domain.llms import LlmRequest, Message
from llm_engineering.infrastructure.llms import HuggingFace
from tests.dataset_world import fill

GPT = {
    "vocabulary": {"kind": "bpe", "size": 400}, "width": 128, "stride": 16, "layers": 2, "heads": 2, "channels": 32,
    "steps": 10, "batch": 4, "evaluate_every": 10, "threads": 1, "precision": "fp32", "device": "cpu",
}  # fmt: skip
TUNING = {"batch": 8, "accumulation": 1, "threads": 1, "device": "cpu", "precision": "fp32", "evaluations": 1}


def tuned(kind: str, dataset: str, **settings: object) -> TrainingConfig:
    trainer = {"kind": kind, "base": "registry:own", **TUNING, **settings}
    return TrainingConfig.model_validate({"training": {"model": "own", "dataset": dataset, "trainer": trainer}})


@pytest.mark.slow
def test_a_pretrained_gpt_is_instructed_and_preferred_and_answers(home: Path, tmp_path: Path) -> None:
    fill(tmp_path / "notes")
    store, registry = open_datasets(Workspace()), open_registry(Workspace())
    for name, kind, make in (("told", "instruction", instructions), ("preferred", "preference", preferences)):
        rows = [*make("train", 24), *make("validation", 8, 100), *make("test", 8, 200)]
        store.write(DatasetCard(name=name, version="", digest="", kind=kind, licence="ours"), rows)

    gpt = json.dumps(GPT)
    plain.pretraining(read_config(PretrainingConfig, None, ["pretraining.model=own", f"pretraining.trainer={gpt}"]))
    sft = plain.training(tuned("sft", "told", epochs=10, learning_rate=3e-3)).training
    dpo = plain.training(tuned("dpo", "preferred", epochs=6, learning_rate=1e-3, likelihood=1.0)).training

    assert sft is not None
    assert dpo is not None
    assert sft.trained.metrics["validation/loss"].high < sft.trained.metrics["validation/loss/before"].low
    assert dpo.trained.metrics["validation/accuracy"].value >= 0.9
    models = registry.versions("own")
    assert [model.base for model in models] == ["", "registry:own@1", "registry:own@2"]
    assert len({model.template for model in models}) == 1
    assert models[0].template
    assert len({model.weights for model in models}) == 3

    async def ask() -> str:
        llm = open_llms([HuggingFace(name="own", model="registry:own@3", device="cpu")], None, Workspace())["own"]
        try:
            message = Message(role="user", content="Where is place 3?")
            return (await llm.complete(LlmRequest(messages=(message,), max_tokens=24, temperature=0.0))).text
        finally:
            await llm.close()

    assert "It is in the" in asyncio.run(ask())
