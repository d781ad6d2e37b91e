"""Fine-tuning of language models: what reaches the library, what is learned, what is refused, what survives a kill."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from instruction_rows import instructions, preferences
from safetensors.torch import load_file, save_file
from tiny_llm import CHAT_TEMPLATE, tiny_llm
from transformers import AutoModelForCausalLM, AutoTokenizer

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.domain.models import CurvePoint
from llm_engineering.domain.training import Trained, TrainingData
from llm_engineering.infrastructure.llms.templates import PLAIN, ChatTemplate
from llm_engineering.infrastructure.trainers import DpoTrainer, SftTrainer
from llm_engineering.infrastructure.trainers.language import loading, loops, measuring
from llm_engineering.infrastructure.trainers.language.examples import instruction_example

SETTINGS = {"batch": 4, "accumulation": 1, "threads": 1, "learning_rate": 5e-3, "device": "cpu", "epochs": 2}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llm(tmp_path_factory.mktemp("base"))


def sft(base: Path, /, **settings: object) -> SftTrainer:
    return SftTrainer.model_validate({"base": str(base)} | SETTINGS | settings)


def dpo(base: Path, **settings: object) -> DpoTrainer:
    return DpoTrainer.model_validate({"base": str(base), **SETTINGS, "learning_rate": 1e-3, **settings})


def rows(count: int = 24) -> TrainingData[Instruction]:
    return TrainingData("tiny@1", "d", instructions("train", count), instructions("validation", 8, 100))


def pairs(count: int = 24) -> TrainingData[Preference]:
    return TrainingData("tiny@1", "d", preferences("train", count), preferences("validation", 8, 100))


class Seen(Exception):  # noqa: N818 - it stops a training once its arguments are known
    """What a trainer of the library was really made of."""


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, base: Path) -> Any:
    """Return a function that begins a training, and returns the library's trainer just before its first step."""

    def begun(self: Any, **_: object) -> None:
        raise Seen(self)

    monkeypatch.setattr(loops.SftLoop, "train", begun)
    monkeypatch.setattr(loops.DpoLoop, "train", begun)

    def begin(kind: Any, **settings: object) -> Any:
        spec, data = (sft(base, **settings), rows()) if kind is SftTrainer else (dpo(base, **settings), pairs())
        with pytest.raises(Seen) as seen:
            spec.train(data, tmp_path / "work", tmp_path)  # type: ignore[arg-type]
        return seen.value.args[0]

    return begin


COMMON: list[tuple[dict[str, object], str, object]] = [
    ({"epochs": 5}, "num_train_epochs", 5),
    ({"batch": 3}, "per_device_train_batch_size", 3),
    ({"accumulation": 6}, "gradient_accumulation_steps", 6),
    ({"learning_rate": 0.125}, "learning_rate", 0.125),
    ({"warmup": 0.5}, "warmup_steps", 6),
    ({"schedule": "linear"}, "lr_scheduler_type", "linear"),
    ({"weight_decay": 0.25}, "weight_decay", 0.25),
    ({"max_grad_norm": 0.5}, "max_grad_norm", 0.5),
    ({"evaluations": 3}, "eval_steps", 2),
    ({"precision": "bf16"}, "bf16", True),
    ({"max_tokens": 77}, "max_length", 77),
    ({"gradient_checkpointing": True}, "gradient_checkpointing", True),
    ({"seed": 7}, "seed", 7),
    ({"seed": 7}, "data_seed", 7),
]
OWN: list[tuple[Any, dict[str, object], str, object]] = [
    (SftTrainer, {"completion_only": False}, "completion_only_loss", False),
    (SftTrainer, {"packing": True}, "packing", True),
    (DpoTrainer, {"beta": 0.7}, "beta", 0.7),
    (DpoTrainer, {"loss": "ipo"}, "loss_type", ["ipo"]),
    (DpoTrainer, {"label_smoothing": 0.25}, "label_smoothing", 0.25),
    (DpoTrainer, {"label_smoothing": 0.25}, "loss_type", ["robust"]),  # the only one in which it changes anything
    (DpoTrainer, {"likelihood": 0.5}, "loss_type", ["sigmoid", "sft"]),
    (DpoTrainer, {"likelihood": 0.5}, "loss_weights", [1.0, 0.5]),
]


@pytest.mark.parametrize("kind", [SftTrainer, DpoTrainer])
def test_each_value_of_the_configuration_reaches_the_trainer(kind: Any, spied: Any) -> None:
    plain = spied(kind).args
    for settings, name, expected in [*COMMON, *((own, name, value) for one, own, name, value in OWN if one is kind)]:
        assert getattr(spied(kind, **settings).args, name) == expected, settings
        assert getattr(plain, name) != expected, settings


def test_settings_that_are_no_arguments_reach_the_trainer_as_well(spied: Any, base: Path) -> None:
    loop = spied(SftTrainer, dropout=0.25, threads=2, patience=5)
    assert {layer.self_attn.attention_dropout for layer in loop.model.model.layers} == {0.25}
    assert [
        one.early_stopping_patience for one in loop.callback_handler.callbacks if "Early" in type(one).__name__
    ] == [5]
    assert not [
        one for one in spied(SftTrainer, patience=0).callback_handler.callbacks if "Early" in type(one).__name__
    ]
    assert (
        spied(SftTrainer, lora={}, weights="bf16").model.base_model.model.model.embed_tokens.weight.dtype
        == torch.bfloat16
    )
    with pytest.raises(UsageError, match="have the digest"):
        sft(base, digest="0" * 64).train(rows(), base / "work", base)


def test_each_value_of_the_adapters_reaches_peft(spied: Any) -> None:
    def adapters(**settings: object) -> Any:
        return spied(SftTrainer, lora=settings).model.peft_config["default"]

    plain = adapters()
    for settings, name, expected in [
        ({"rank": 3}, "r", 3),
        ({"alpha": 5.0}, "lora_alpha", 5.0),
        ({"dropout": 0.5}, "lora_dropout", 0.5),
        ({"targets": ["q_proj"]}, "target_modules", {"q_proj"}),
        ({"rank_stabilised": True}, "use_rslora", True),
    ]:
        assert getattr(adapters(**settings), name) == expected
        assert getattr(plain, name) != expected


def test_instructions_are_learned_and_the_model_is_whole(base: Path, tmp_path: Path) -> None:
    told: list[CurvePoint] = []
    done = sft(base, evaluations=2).train(rows(), tmp_path / "work", tmp_path, told.append)
    assert done.metrics["validation/loss"].high < done.metrics["validation/loss/before"].low
    assert done.metrics["validation/perplexity"].value == pytest.approx(
        np.exp(done.metrics["validation/loss"].value), 1e-3
    )
    assert (done.record.steps, done.record.rows, done.record.left_out) == (12, 24, 0)
    assert done.record.cpu_seconds > 0
    assert done.template == ChatTemplate.of(AutoTokenizer.from_pretrained(base)).digest
    assert [point.step for point in told if point.metric is not None] == [3, 6, 9, 12]
    kept = {path.suffix for path in (tmp_path / "work" / "model").iterdir()}
    assert kept <= {".json", ".safetensors", ".jinja"}
    assert not list((tmp_path / "work").rglob("training_args.bin"))
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "work" / "model")
    template = ChatTemplate.of(AutoTokenizer.from_pretrained(tmp_path / "work" / "model"))
    examples = [instruction_example(row, template) for row in rows().validation]
    found = measuring.likelihoods(saved, examples, 4_096)
    assert -found.sums.sum() / found.tokens.sum() == pytest.approx(done.metrics["validation/loss"].value, abs=1e-4)


def test_preferences_are_learned(base: Path, tmp_path: Path) -> None:
    done = dpo(base).train(pairs(), tmp_path / "work", tmp_path)
    assert done.metrics["validation/margin"].low > done.metrics["validation/margin/before"].high
    assert done.metrics["validation/reward_accuracy"].value == 1.0
    assert done.metrics["validation/reward_margin"].low > 0


def test_adapters_are_merged_into_the_weights(base: Path, tmp_path: Path) -> None:
    done = sft(base, lora={"rank": 4}, learning_rate=5e-2).train(rows(), tmp_path / "work", tmp_path)
    assert done.metrics["validation/loss"].high < done.metrics["validation/loss/before"].low
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "work" / "model")
    assert not [name for name, _ in saved.named_parameters() if "lora" in name]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_packed_rows_do_not_see_each_other(kind: str, base: Path, tmp_path: Path) -> None:
    if kind == "gpt2":
        base = gpt2(tmp_path / "gpt2", base)
    losses = {}
    for packing in (False, True):
        spec = sft(base, packing=packing, batch=1 if packing else 8, epochs=1, learning_rate=1e-9, max_tokens=512)
        data = TrainingData("tiny@1", "d", instructions("train", 8))
        record = spec.train(data, tmp_path / f"work{packing}", tmp_path).record
        assert record.steps == 1
        losses[packing] = record.curve[0].loss
    assert losses[True] == pytest.approx(losses[False], abs=1e-4)


@pytest.mark.parametrize("kind", ["OPT", "GPTNeo"])  # which sees what stands before, and which cannot read so much
def test_packing_is_refused_where_rows_would_not_be_kept_apart(kind: str, base: Path, tmp_path: Path) -> None:
    folder = other_architecture(kind, tmp_path / kind, base)
    with pytest.raises(UsageError, match=r"rows cannot share a sequence.*Set packing: false"):
        sft(folder, packing=True).train(rows(), tmp_path / "work", tmp_path)


def test_masks_among_the_weights_do_not_decide_in_what_the_trained_ones_are_stored(base: Path, tmp_path: Path) -> None:
    folder = other_architecture("GPTNeo", tmp_path / "neo", base)
    stored = load_file(folder / "model.safetensors")
    mask = {"transformer.h.0.attn.attention.bias": torch.ones(1, 1, 512, 512, dtype=torch.bool).tril()}
    save_file(stored | mask, folder / "model.safetensors", metadata={"format": "pt"})
    sft(folder, epochs=1).train(rows(), tmp_path / "work", tmp_path)
    saved = load_file(tmp_path / "work" / "model" / "model.safetensors")
    assert {weight.dtype for weight in saved.values()} == {torch.float32}


def other_architecture(kind: str, folder: Path, base: Path) -> Path:
    """Write a tiny model of another architecture with the tokenizer of another model."""
    import transformers

    sizes: dict[str, dict[str, Any]] = {
        "OPT": {"num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 64, "word_embed_proj_dim": 32},
        "GPTNeo": {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]},
    }
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.save_pretrained(folder)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer), hidden_size=32, max_position_embeddings=512, bos_token_id=1, eos_token_id=2,
        pad_token_id=0, **sizes[kind],
    )  # fmt: skip
    torch.manual_seed(0)
    getattr(transformers, f"{kind}ForCausalLM")(config).save_pretrained(folder)
    return folder


def gpt2(folder: Path, base: Path) -> Path:
    """Write a GPT-2 of two layers with the tokenizer of another model."""
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=512, n_embd=32, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def test_a_prompt_is_tokenised_in_training_as_it_is_served(base: Path, tmp_path: Path) -> None:
    from llm_engineering.domain.llms import LlmRequest, Message
    from llm_engineering.infrastructure.llms.generation import Generator

    template = ChatTemplate.of(AutoTokenizer.from_pretrained(base))
    prompt, answer = template.example_ids("Where is it?", "Here.")
    generator = Generator.load(base, "cpu", "float32")
    served = generator._prompt(LlmRequest(messages=(Message(role="user", content="Where is it?"),), max_tokens=4))
    assert served.tolist() == [prompt]
    assert template.tokenizer.decode(answer) == "Here.\n</s>"


def test_a_model_without_a_template_is_given_a_plain_one_and_says_so(tmp_path: Path) -> None:
    base = tiny_llm(tmp_path / "base", has_template=False)
    done = sft(base).train(rows(), tmp_path / "work", tmp_path)
    assert any("no chat template" in note for note in done.notes)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "work" / "model")
    assert tokenizer.chat_template == PLAIN
    assert ChatTemplate.of(tokenizer).digest == done.template
    text = ChatTemplate.of(tokenizer).render([{"role": "user", "content": "hi"}], answers=True)
    assert text == "<s>User: hi\nAssistant:"


@pytest.mark.parametrize(
    ("template", "ending"),
    [
        (CHAT_TEMPLATE.replace("{{ message.content }}\n", "{{ message.content }}</s>\n"), "yes</s>"),
        # It writes a finished answer otherwise than one that is to come.
        (
            "{% for m in messages %}[{{ m.role }}]{{ m.content }};{% endfor %}{{ '>' * add_generation_prompt }}",
            "yes</s>",
        ),
    ],
)
def test_an_answer_ends_with_the_token_that_ends_it(template: str, ending: str, base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = template
    _, answer = ChatTemplate.of(tokenizer).example_ids("is it?", "yes")
    assert tokenizer.decode(answer) == ending


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("A template that shows nobody's words.", "does not show what a user says"),
        ("{% for m in messages %}{{ m.content + 3 }}{% endfor %}", r"refuses this conversation \(TypeError\)"),
        ({"rag": CHAT_TEMPLATE, "tool_use": CHAT_TEMPLATE}, "none of them is called default"),
    ],
)
def test_templates_that_no_conversation_can_be_written_with_are_refused(template: Any, reason: str, base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = template
    with pytest.raises(UsageError, match=reason):
        ChatTemplate.of(tokenizer).example_ids("Where is it?", "Here.")


@pytest.mark.parametrize("kind", [SftTrainer, DpoTrainer])
def test_rows_that_may_not_be_learned_from_are_refused(kind: Any, base: Path, tmp_path: Path) -> None:
    make, spec = (instructions, sft(base)) if kind is SftTrainer else (preferences, dpo(base))
    held = TrainingData("tiny@1", "d", (*make("train", 4), *make("test", 1)))  # type: ignore[operator]
    with pytest.raises(UsageError, match="held-out"):
        spec.train(held, tmp_path / "work", tmp_path)
    with pytest.raises(UsageError, match="no row to learn from"):
        spec.train(TrainingData("tiny@1", "d", ()), tmp_path / "work", tmp_path)


def test_a_pair_of_equal_answers_and_an_empty_answer_are_refused(base: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    pair, row = preferences("train", 1)[0], instructions("train", 1)[0]
    with pytest.raises(UsageError, match="prefers an answer to itself"):
        dpo(base).train(TrainingData("t", "d", (replace(pair, rejected=pair.chosen),)), tmp_path / "a", tmp_path)
    with pytest.raises(UsageError, match="has no answer"):
        sft(base).train(TrainingData("t", "d", (replace(row, answer=" "),)), tmp_path / "b", tmp_path)


def test_rows_that_are_too_long_are_left_out_and_counted(base: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    data = rows(8)
    long = replace(data.train[0], answer="word " * 200)
    done = sft(base, epochs=1).train(replace(data, train=(long, *data.train[1:])), tmp_path / "work", tmp_path)
    assert (done.record.rows, done.record.left_out) == (7, 1)
    with pytest.raises(UsageError, match="longer than 8 tokens"):
        sft(base, max_tokens=8).train(rows(), tmp_path / "other", tmp_path)
    with pytest.raises(UsageError, match="reads 512 at once"):
        sft(base, max_tokens=513).train(rows(), tmp_path / "third", tmp_path)


@pytest.mark.parametrize("kind", [SftTrainer, DpoTrainer])
def test_a_loss_that_is_no_number_is_refused(kind: Any, base: Path, tmp_path: Path) -> None:
    changes = {"learning_rate": 1.0, "max_grad_norm": 0.0, "warmup": 0.0, "schedule": "constant", "epochs": 40}
    spec, data = (sft(base, **changes), rows()) if kind is SftTrainer else (dpo(base, **changes), pairs())
    broken = tmp_path / "broken"
    model = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    model.save_pretrained(broken)
    AutoTokenizer.from_pretrained(base).save_pretrained(broken)
    with pytest.raises(UsageError, match=r"the loss is nan|not finite"):
        spec.model_copy(update={"base": str(broken)}).train(data, tmp_path / "work", tmp_path)
    assert not (tmp_path / "work" / "model").exists()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"weights": "nf4", "lora": {}}, "GPU of NVIDIA"),
        ({"accelerator": "unsloth"}, "pip install unsloth"),
        ({"base": "./nowhere"}, "no model folder"),
    ],
)
def test_what_this_machine_lacks_is_said(settings: dict[str, object], reason: str, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=reason):
        sft(base, **settings).train(rows(), tmp_path / "work", tmp_path)


@pytest.mark.parametrize("settings", [{"weights": "nf4"}, {"weights": "bf16"}, {"lora": {"rank": 0}}, {"lr": 1}])
def test_settings_that_do_not_belong_together_are_refused(settings: dict[str, object], base: Path) -> None:
    with pytest.raises(ValueError, match=r"lora|lr"):
        sft(base, **settings)


@pytest.mark.parametrize(
    "settings",
    [{}, {"loss": "ipo"}, {"loss": "hinge", "beta": 0.5}, {"label_smoothing": 0.2}, {"loss": "ipo", "likelihood": 0.5}],
)
def test_a_checkpoint_is_chosen_by_the_loss_that_is_trained_with(settings: Any, base: Path, tmp_path: Path) -> None:
    same = TrainingData("tiny@1", "d", preferences("train", 4), preferences("validation", 4))
    spec = dpo(base, epochs=3, warmup=0, weight_decay=0, precision="fp32", patience=0, **settings)
    curve = spec.train(same, tmp_path / "work", tmp_path).record.curve
    learnt = {point.step: point.loss for point in curve if point.loss is not None}
    measured = {point.step: point.metric for point in curve if point.metric is not None}
    # What the library trains with in a step is what the step before it left behind.
    assert [measured[1], measured[2]] == pytest.approx([learnt[2], learnt[3]], rel=1e-3)


@pytest.mark.parametrize("loss", ["ipo", "hinge"])
def test_smoothing_that_would_change_nothing_is_refused(loss: str, base: Path) -> None:
    with pytest.raises(ValueError, match=f"label_smoothing changes nothing with loss: {loss}"):
        dpo(base, loss=loss, label_smoothing=0.1)


def test_smoothed_labels_teach_otherwise(base: Path, tmp_path: Path) -> None:
    curves = [
        dpo(base, epochs=1, label_smoothing=share).train(pairs(8), tmp_path / str(share), tmp_path).record.curve
        for share in (0.0, 0.4)
    ]
    assert curves[0][-1].loss != curves[1][-1].loss


def test_adapters_on_layers_that_are_not_there_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'nowhere'.*its layers are .*q_proj"):
        sft(base, lora={"targets": ["nowhere"]}).train(rows(), tmp_path / "work", tmp_path)


def test_a_quantised_base_and_an_adapter_are_refused(base: Path, tmp_path: Path) -> None:
    import shutil

    packed = tmp_path / "packed"
    shutil.copytree(base, packed)
    settings = json.loads((packed / "config.json").read_text())
    (packed / "config.json").write_text(json.dumps(settings | {"quantization_config": {"load_in_4bit": True}}))
    with pytest.raises(UsageError, match="are quantised"):
        loading.find_base(sft(packed), tmp_path)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(base: Path, tmp_path: Path) -> None:
    def weights(place: str, **settings: object) -> bytes:
        sft(base, epochs=1, **settings).train(rows(), tmp_path / place, tmp_path)
        return (tmp_path / place / "model" / "model.safetensors").read_bytes()

    for settings in ({"dropout": 0.1}, {"lora": {"dropout": 0.1}}):
        name = next(iter(settings))
        first, second, third = (
            weights(f"{name}{place}", **settings, seed=seed) for place, seed in enumerate((1, 1, 2))
        )
        assert first == second != third


# Imports the libraries once; each training is a child of its own, which a failpoint kills as `kill -9` does.
CHILDREN = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, "tests")
from instruction_rows import instructions, preferences
from llm_engineering.domain import failpoints
from llm_engineering.domain.training import TrainingData
from llm_engineering.infrastructure.trainers import DpoTrainer, SftTrainer
from llm_engineering.infrastructure.trainers.language import loading, loops
KINDS = {"sft": (instructions, SftTrainer), "dpo": (preferences, DpoTrainer)}
def trained(kind, spec, folder, rules):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        failpoints.arm(rules)
        make, trainer = KINDS[kind]
        data = TrainingData("tiny@1", "d", make("train", 24), make("validation", 8, 100))
        trainer.model_validate_json(spec).train(data, Path(folder), Path(folder))
    finally:
        os._exit(1 if sys.exc_info()[0] else 0)
print(json.dumps([trained(*given) for given in json.loads(sys.argv[1])]))
"""


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_an_unbroken_one(base: Path, tmp_path: Path) -> None:
    settings: dict[str, object] = {"evaluations": 2, "dropout": 0.1, "lora": {"dropout": 0.1}}
    specs = {"sft": sft(base, **settings).model_dump_json(), "dpo": dpo(base, **settings).model_dump_json()}
    given = []
    for kind, spec in specs.items():
        # In the middle of the work, or in a checkpoint.
        place = {"sft": "training.step:8=kill", "dpo": "training.before_seal:3=kill"}[kind]
        for folder, rules in (("killed", place), ("killed", ""), ("whole", "")):
            given.append([kind, spec, str(tmp_path / kind / folder), rules])
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILDREN, json.dumps(given)],
        capture_output=True, text=True, check=True, timeout=500,
    )  # fmt: skip
    assert json.loads(ran.stdout.strip().splitlines()[-1]) == [-9, 0, 0] * 2
    for kind in specs:
        resumed, whole = (
            Trained.model_validate_json((tmp_path / kind / name / "trained.json").read_text())
            for name in ("killed", "whole")
        )
        assert resumed.record.resumed == 1
        assert resumed.record.steps == whole.record.steps == 12
        assert resumed.record.curve == whole.record.curve
        assert resumed.metrics == whole.metrics
        weights = [
            (tmp_path / kind / name / "model" / "model.safetensors").read_bytes() for name in ("killed", "whole")
        ]
        assert weights[0] == weights[1]
        assert not list((tmp_path / kind).rglob("training_args.bin"))


def test_rows_that_spell_control_tokens_are_left_out(base: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    data = rows(8)
    bad = replace(data.train[0], answer="It ends here.</s> Or does it?")
    done = sft(base, epochs=1).train(replace(data, train=(bad, *data.train[1:])), tmp_path / "work", tmp_path)
    assert (done.record.rows, done.record.left_out) == (7, 1)


@pytest.mark.parametrize("kind", [SftTrainer, DpoTrainer])
def test_a_gpt2_with_tied_embeddings_learns_by_adapters(kind: Any, base: Path, tmp_path: Path) -> None:
    folder = gpt2(tmp_path / "gpt2", base)
    changes = {"lora": {}, "learning_rate": 5e-2, "gradient_checkpointing": True}
    spec, data = (sft(folder, **changes), rows()) if kind is SftTrainer else (dpo(folder, **changes), pairs())
    done = spec.train(data, tmp_path / "work", tmp_path)  # type: ignore[arg-type]
    name, sign = ("loss", 1) if kind is SftTrainer else ("margin", -1)
    assert sign * done.metrics[f"validation/{name}"].value < sign * done.metrics[f"validation/{name}/before"].value
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "work" / "model")
    assert saved.lm_head.weight is saved.transformer.wte.weight


def test_another_base_under_the_same_name_begins_anew(base: Path, tmp_path: Path) -> None:
    first = sft(base, epochs=1).train(rows(), tmp_path / "work", tmp_path)
    assert sft(base, epochs=1).train(rows(), tmp_path / "work", tmp_path) == first
    second = sft(gpt2(tmp_path / "other", base), epochs=1).train(rows(), tmp_path / "work", tmp_path)
    assert second.base_digest != first.base_digest
