"""The training pipeline with language models: data set to registry to answers, and what a dry run says of it."""

import json
from pathlib import Path

import pytest
import torch
from instruction_rows import instructions, preferences
from tiny_llm import tiny_llm

from llm_engineering import plain, stages
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.training import open_datasets, open_registry
from llm_engineering.config import PromotionConfig, TrainingConfig
from llm_engineering.domain.datasets import DatasetCard
from llm_engineering.domain.errors import GateFailed, UsageError
from llm_engineering.domain.llms import LlmRequest, Message
from llm_engineering.domain.training import TrainingEstimate
from llm_engineering.infrastructure.llms import HuggingFace
from llm_engineering.infrastructure.llms.hugging_face import staged
from llm_engineering.infrastructure.trainers import SftTrainer
from llm_engineering.infrastructure.trainers.language.estimating import Lengths, estimate
from llm_engineering.infrastructure.trainers.language.shapes import shape_of
from tools.dry_run import describe

SETTINGS = {"batch": 4, "accumulation": 1, "threads": 1, "learning_rate": 5e-3, "device": "cpu", "epochs": 1}


@pytest.fixture
def base(home: Path, tmp_path: Path) -> Path:
    store = open_datasets(Workspace())
    for kind, make in (("instruction", instructions), ("preference", preferences)):
        every = [*make("train", 24), *make("validation", 8, 100), *make("test", 24, 200)]
        store.write(DatasetCard(name=kind, version="", digest="", kind=kind, licence="ours"), every)
    return tiny_llm(tmp_path / "base")


def config(kind: str, base: str, dataset: str = "", **settings: object) -> TrainingConfig:
    trainer = {"kind": kind, "base": base} | SETTINGS | settings
    data = dataset or {"sft": "instruction", "dpo": "preference"}[kind]
    return TrainingConfig.model_validate({"training": {"model": "assistant", "dataset": data, "trainer": trainer}})


def test_instructions_and_then_preferences_become_a_model_that_answers(base: Path) -> None:
    plain.training(config("sft", str(base)))
    report = plain.training(config("dpo", "registry:assistant", learning_rate=1e-3))
    registry = open_registry(Workspace())
    first, second = registry.versions("assistant")
    assert report.training is not None
    assert report.training.model == "assistant@2"
    assert (first.kind, first.licence, second.base) == ("llm", "ours", "registry:assistant@1")
    assert second.base_digest == first.weights
    assert first.template == second.template != ""
    assert first.dataset.startswith("instruction@")
    assert {"validation/accuracy", "validation/accuracy/before", "validation/margin"} <= set(second.metrics)
    assert second.training is not None
    assert second.training.cpu_seconds > 0
    llm = HuggingFace(name="own", model="registry:assistant@2", device="cpu").open(Workspace().home)
    import asyncio

    asked = LlmRequest(messages=(Message(role="user", content="Where is place 3?"),), max_tokens=8)
    assert asyncio.run(llm.complete(asked)).usage.output_tokens > 0
    asyncio.run(llm.close())
    assert not list((Workspace().home / "training").rglob("*.safetensors"))


def test_a_folder_with_another_template_is_not_served(base: Path) -> None:
    plain.training(config("sft", str(base)))
    registry = open_registry(Workspace())
    model = registry.find("assistant")
    registry.keep(model.model_copy(update={"template": "0" * 64}))
    with pytest.raises(UsageError, match="trained with the chat template 000000000000…"):
        HuggingFace(name="own", model="registry:assistant", device="cpu").open(Workspace().home)


def test_a_data_set_of_another_kind_and_a_base_of_another_kind_are_refused(base: Path) -> None:
    with pytest.raises(UsageError, match="of kind 'preference', and one of kind 'instruction' is needed"):
        plain.training(config("sft", str(base), "preference"))
    registry = open_registry(Workspace())
    plain.training(config("sft", str(base)))
    model = registry.find("assistant")
    registry.register(model.model_copy(update={"name": "other", "kind": "embedder"}), registry.folder(model))
    with pytest.raises(UsageError, match="kind embedder; a language model"):
        plain.training(config("sft", "registry:other"))


@pytest.mark.parametrize("name", ["sft", "dpo"])
def test_a_dry_run_of_the_configurations_tells_memory_and_time_of_any_model(name: str, base: Path) -> None:
    import yaml

    raw = yaml.safe_load(Path(f"configs/{name}.yaml").read_text())
    raw["training"]["dataset"] = {"sft": "instruction", "dpo": "preference"}[name]
    for model, size in ((str(base), "0.0 million"), ("meta-llama/Llama-3.1-8B-Instruct", "8,030.3 million")):
        raw["training"]["trainer"]["base"] = model
        text = describe("training", TrainingConfig.model_validate(raw), as_json=False)
        assert size in text
        for word in ("weights", "gradients", "optimizer", "activations", "gradient_checkpointing", "time", "Assumed"):
            assert word in text
    assert "estimate" in json.loads(describe("training", TrainingConfig.model_validate(raw), as_json=True))["steps"]
    assert not list((Workspace().home / "models").rglob("*.safetensors"))


def test_a_name_without_a_size_is_said_to_be_unknown(home: Path) -> None:
    told = estimate(SftTrainer(base="owner/some-model"), Lengths(4, 400, 100), Lengths(), home)
    assert "no size such as 8B" in str(told)


def test_adapters_and_quantised_weights_take_less_memory(home: Path) -> None:
    rows = Lengths(1_000, 400_000, 800)

    def memory(**settings: object) -> TrainingEstimate:
        spec = SftTrainer.model_validate({"base": "owner/some-8B", "precision": "bf16"} | settings)
        found = estimate(spec, rows, Lengths(), home)
        assert isinstance(found, TrainingEstimate)
        return found

    full, lora, qlora = memory(), memory(lora={}), memory(lora={}, weights="nf4")
    assert full.memory > 8e9 * 16 > lora.memory > 8e9 * 2 > qlora.memory > 8e9 * 0.5
    assert full.activations_checkpointed < full.activations
    assert memory(gradient_checkpointing=True).memory < full.memory
    assert memory(gradient_checkpointing=True).seconds["an A100 of 80 GB"] > full.seconds["an A100 of 80 GB"]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_estimate_of_activations_is_near_what_is_really_kept(kind: str, base: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    width, layers, tokens, folder = 256, 4, 128, tmp_path / kind
    if kind == "llama":
        LlamaForCausalLM(
            LlamaConfig(
                vocab_size=64, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=layers,
                num_attention_heads=4, num_key_value_heads=2,
            )
        ).save_pretrained(folder)  # fmt: skip
    else:
        GPT2LMHeadModel(
            GPT2Config(vocab_size=64, n_embd=width, n_layer=layers, n_head=4, resid_pdrop=0, attn_pdrop=0, embd_pdrop=0)
        ).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).train()
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            kept[place] = tensor.untyped_storage().nbytes()
        return tensor

    alive = []
    with torch.autograd.graph.saved_tensors_hooks(lambda one: (alive.append(keep(one)), one)[1], lambda one: one):
        model(input_ids=torch.ones((1, tokens), dtype=torch.long), use_cache=False).logits.sum().backward()
    shape = shape_of(str(folder), None, tmp_path)
    assert shape is not None
    assert shape.parameters == sum(weight.numel() for weight in model.parameters())
    told = 4 * tokens * shape.floats * layers
    assert 0.6 < told / sum(kept.values()) < 1.6


def test_an_adapter_is_not_staged(base: Path) -> None:
    (base / "adapter_config.json").write_text("{}")
    with staged("x", base) as folder:
        assert not (folder / "adapter_config.json").exists()


def test_a_dry_run_begins_nothing(base: Path) -> None:
    stages.estimate_training(config("sft", str(base)))
    assert not (Workspace().home / "registry").exists()


def promotion(model: str, **settings: object) -> PromotionConfig:
    return PromotionConfig.model_validate(
        {"promotion": {"model": model} | settings, "evaluation": {"fewest": 4, "resamples": 500}}
    )


def test_a_language_model_is_promoted_only_where_it_is_shown_to_be_better(base: Path) -> None:
    plain.training(config("sft", str(base), epochs=3))
    done = plain.promotion(promotion("assistant@1")).promotion
    assert done is not None
    assert done.promoted, str(done)
    assert done.verdict is not None
    assert done.verdict.metric == "log_likelihood"
    registry = open_registry(Workspace())
    assert registry.find("assistant").stage == "production"
    assert "test/log_likelihood" in registry.find("assistant@1").metrics
    plain.training(config("dpo", "registry:assistant", learning_rate=1e-3, epochs=3))
    second = plain.promotion(promotion("assistant@2")).promotion
    assert second is not None
    assert second.verdict is not None
    assert (second.verdict.against, second.verdict.metric) == ("assistant@1", "preference")
    plain.training(config("sft", "registry:assistant@1", learning_rate=1e-9, seed=3))
    third = plain.promotion(promotion("assistant@3", dataset="instruction")).promotion
    assert third is not None
    assert not third.promoted
    assert registry.find("assistant").number == (2 if second.promoted else 1)


def test_a_language_model_that_saw_held_out_rows_is_refused(base: Path) -> None:
    from dataclasses import replace

    store = open_datasets(Workspace())
    leaked = [*instructions("train", 8), replace(instructions("test", 1)[0], instruction="Where is  PLACE 0?")]
    store.write(DatasetCard(name="leaky", version="", digest="", kind="instruction"), leaked)
    plain.training(config("sft", str(base), "leaky"))
    with pytest.raises(GateFailed, match="have the question of held-out rows"):
        plain.promotion(promotion("assistant"))


def test_an_exported_folder_with_a_changed_template_is_not_served_either(base: Path, tmp_path: Path) -> None:
    import shutil

    plain.training(config("sft", str(base)))
    registry = open_registry(Workspace())
    folder = tmp_path / "copy"
    shutil.copytree(registry.folder(registry.find("assistant")), folder)
    noted = json.loads((folder / "chat_template_hash.json").read_text())
    assert noted == {"sha256": registry.find("assistant").template}
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    with pytest.raises(UsageError, match="was trained with the chat template"):
        HuggingFace(name="own", model=str(folder), device="cpu").open(Workspace().home)
    with pytest.raises(UsageError, match="was trained with the chat template"):
        plain.training(config("sft", str(folder)))
