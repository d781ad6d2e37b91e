"""The language model that training begins with: found, compared with its digest, loaded; and the finished one saved."""

import shutil
from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.embedders.library_model import quiet_transformers
from llm_engineering.infrastructure.embedders.model_files import ModelFiles
from llm_engineering.infrastructure.embedders.model_source import find_model
from llm_engineering.infrastructure.llms.generation import load_model
from llm_engineering.infrastructure.llms.hugging_face import staged
from llm_engineering.infrastructure.llms.templates import (
    FILE,
    HASH,
    ChatTemplate,
    check_template,
    note_template,
    noted_template,
)
from llm_engineering.infrastructure.registries import FileRegistry, split_reference
from llm_engineering.infrastructure.trainers.language.lora import merged
from llm_engineering.infrastructure.trainers.language.settings import LONGEST, LanguageTraining
from llm_engineering.infrastructure.trainers.weights import restore, trainable

_KEPT = {".json", ".txt", ".model", ".jinja"}
_LEFT = {"adapter_config.json", "trainer_state.json", HASH}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_STORED = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16, "F64": torch.float64}


@dataclass(frozen=True)
class Base:
    """A model on this machine. `name` names the very version, `digest` is the SHA-256 of its weights."""

    name: str
    folder: Path
    digest: str


def find_base(spec: LanguageTraining, home: Path) -> Base:
    """Find the model to begin with.

    Raises:
        UsageError: it is not here and cannot be fetched, has another digest, is quantised, or is no language model.
    """
    name, digest = spec.base, spec.digest
    if name.startswith("registry:"):
        registry = FileRegistry(home)
        model = registry.find(name)
        if model.kind != "llm":
            raise UsageError(f"{name!r} is a model of kind {model.kind}; a language model (kind llm) is needed")
        name, digest = f"registry:{model.reference}", digest or model.weights
        split_reference(name)
    folder = find_model(name, spec.revision, home)
    files = ModelFiles(name, folder)
    if files.settings("config.json").get("quantization_config"):
        raise UsageError(
            f"the weights of {name!r} are quantised; adapters merged into them would lose what was learned. Name the "
            "model that it was made from, with weights: nf4 to keep it small while it is trained"
        )
    if expected := noted_template(folder):
        check_template(folder, expected, name)
    return Base(name, folder, files.verified_digest(digest))


def load_base(base: Base, weights: str, device: str) -> tuple[Any, Any]:
    """Return the model, its weights kept as `weights` says, and its tokenizer. Adapters are put in by the trainer.

    Raises:
        UsageError: it cannot be loaded as a causal language model, or has no token that ends an answer.
    """
    extra: dict[str, Any] = {"dtype": DTYPES.get(weights, torch.bfloat16)}
    if weights == "nf4":
        from transformers import BitsAndBytesConfig

        extra["quantization_config"] = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        extra["device_map"] = {"": 0}
    try:
        with staged(base.name, base.folder) as folder, quiet_transformers():
            model, tokenizer = load_model(folder, **extra)
    except UsageError:
        raise
    except Exception as error:  # what the settings of a foreign model make the library raise can be anything
        raise UsageError(
            f"model {base.name!r} in {base.folder} cannot be loaded as a causal language model: "
            f"{type(error).__name__}: {error}"
        ) from error
    if tokenizer.eos_token_id is None:
        raise UsageError(f"the tokenizer of {base.name!r} has no token that ends a text (eos_token); answers need one")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return (model if weights == "nf4" else model.to(device)), tokenizer


def stored_dtype(base: Base) -> torch.dtype:
    """Return in what most weights of a model are stored, so that the trained ones are stored in the same.

    Not every tensor of a file is a weight: some models store masks, which are truth values.
    """
    from safetensors import safe_open

    amounts: Counter[torch.dtype] = Counter()
    for file in base.folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - it is no dictionary
                part = weights.get_slice(name)
                kind = _STORED.get(part.get_dtype())
                amounts[kind or torch.float32] += prod(part.get_shape()) if kind else 0
    return amounts.most_common(1)[0][0]


def finished_model(model: Any, base: Base, weights: str) -> Any:
    """Return the trained model as it is to be stored: adapters merged, the weights of the kind that the base has.

    Adapters of 4-bit weights are merged into the base's own ones, which have lost nothing.
    """
    if weights == "nf4":
        learned, adapted = trainable(model), model.peft_config["default"]
        plain, _ = load_base(base, "bf16", "cpu")
        from peft import get_peft_model

        model = get_peft_model(plain, adapted)
        restore(model, learned)
    return merged(model).to(stored_dtype(base))


def window(model: Any, wanted: int | None, name: str) -> int:
    """Return how many tokens a row may have.

    Raises:
        UsageError: the model cannot read so many.
    """
    own = int(getattr(model.config, "max_position_embeddings", None) or LONGEST)
    if wanted is not None and wanted > own:
        raise UsageError(f"max_tokens is {wanted:,}, and model {name!r} reads {own:,} at once; set it to that or less")
    return wanted or min(own, LONGEST)


def save_language_model(model: Any, base: Base, template: ChatTemplate, folder: Path) -> None:
    """Write the finished model as safetensors; its folder is there whole or not at all.

    Settings and vocabulary are the base's own files; where it had no chat template, the one that it was trained with
    is added.
    """
    failpoints.reach("training.before_result")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as name:
        written, chosen = Path(name) / "written", Path(name) / "chosen"
        chosen.mkdir()
        for path in base.folder.iterdir():
            if path.suffix in _KEPT and path.name not in _LEFT and not path.name.endswith(".index.json"):
                shutil.copyfile(path, chosen / path.name)
        with quiet_transformers():
            model.save_pretrained(str(written))
        _check_finite(model)
        for path in [*written.glob("*.safetensors"), *written.glob("*.safetensors.index.json")]:
            path.rename(chosen / path.name)
        if not template.is_own:
            (chosen / FILE).write_text(template.text, encoding="utf-8")
        note_template(chosen, template)
        check_template(chosen, template.digest, base.name)
        shutil.rmtree(folder, ignore_errors=True)
        chosen.rename(folder)


def _check_finite(model: Any) -> None:
    for name, tensor in model.named_parameters():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise UsageError(f"weight {name!r} is not finite after training; use a lower learning_rate")
