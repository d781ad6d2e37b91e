"""What a training wants of the machine, and whether it is there."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.trainers.language.lora import adapters
from llm_engineering.infrastructure.trainers.language.settings import LONGEST, LanguageTraining


def chosen_machine(spec: LanguageTraining) -> tuple[str, str]:
    """Return device and precision.

    Raises:
        UsageError: an extra, a package or a GPU is missing; the message says which, and what to type.
    """
    for package in ("trl", "peft"):
        if find_spec(package) is None:
            raise UsageError(
                f"a trainer of kind {spec.kind} needs {package}; "  # type: ignore[attr-defined]
                "install the extra with `poetry install --extras finetuning`"
            )
    from llm_engineering.infrastructure.embedders.encoder import chosen_device

    device = chosen_device(spec.device)
    if spec.weights == "nf4":
        _check_quantised(device)
    if spec.accelerator == "unsloth":
        _check_unsloth(device)
    return device, _precision(spec, device)


def load_unsloth(spec: LanguageTraining, folder: Path, weights: str) -> tuple[Any, Any]:
    """Return model and tokenizer with Unsloth's kernels, adapters included where they are wanted. No test runs this."""
    from unsloth import FastLanguageModel  # type: ignore[import-not-found]

    model, tokenizer = FastLanguageModel.from_pretrained(
        model_name=str(folder),
        max_seq_length=spec.max_tokens or LONGEST,
        dtype=None,
        load_in_4bit=weights == "nf4",
        full_finetuning=spec.lora is None,
        trust_remote_code=False,
    )
    if spec.lora:
        settings = adapters(spec.lora, model)
        model = FastLanguageModel.get_peft_model(
            model,
            r=settings.r,
            lora_alpha=settings.lora_alpha,
            lora_dropout=settings.lora_dropout,
            target_modules=list(spec.lora.targets) or "all-linear",
            use_rslora=settings.use_rslora,
            use_gradient_checkpointing="unsloth" if spec.gradient_checkpointing else False,
            random_state=spec.seed,
        )
    return model, tokenizer


def likely_machine(spec: LanguageTraining) -> tuple[str, str]:
    """Return device and precision, of a GPU where the settings need one that is not here."""
    from llm_engineering.infrastructure.embedders.encoder import chosen_device

    try:
        device = chosen_device(spec.device)
    except UsageError:
        device = chosen_device("auto")
    return device, "bf16" if spec.weights in ("nf4", "bf16") and spec.precision == "auto" else _precision(spec, device)


def _precision(spec: LanguageTraining, device: str) -> str:
    from llm_engineering.infrastructure.embedders.encoder import chosen_precision

    return "fp32" if (spec.precision, device) == ("auto", "cpu") else chosen_precision(spec.precision, device)


def _check_quantised(device: str) -> None:
    if device != "cuda":
        raise UsageError(
            f"weights: nf4 (QLoRA) are computed on a GPU of NVIDIA only, and the device is {device}; use weights: auto"
        )
    if find_spec("bitsandbytes") is None:
        raise UsageError(
            "weights: nf4 (QLoRA) need bitsandbytes; type `pip install bitsandbytes`, or use weights: auto"
        )


def _check_unsloth(device: str) -> None:
    if find_spec("unsloth") is None:
        raise UsageError(
            "accelerator: unsloth is not installed; type `pip install unsloth` on a machine with a GPU, or use "
            "accelerator: none"
        )
    if device != "cuda":
        raise UsageError(
            f"accelerator: unsloth needs a GPU of NVIDIA, and the device is {device}; use accelerator: none"
        )
