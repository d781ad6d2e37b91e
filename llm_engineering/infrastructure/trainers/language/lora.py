"""Adapters in the words of PEFT, and back out of a trained model."""

from typing import TYPE_CHECKING, Any

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.trainers.language.settings import Lora

if TYPE_CHECKING:
    from peft import LoraConfig


def adapters(lora: Lora, model: Any) -> "LoraConfig":
    """Return the settings of PEFT for a model.

    Raises:
        UsageError: the model has no layer of a name under `targets`.
    """
    from peft import LoraConfig
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    layers = {name for name, module in model.named_modules() if isinstance(module, (nn.Linear, nn.Embedding, Conv1D))}
    if absent := [one for one in lora.targets if not any(f".{name}".endswith(f".{one}") for name in layers)]:
        known = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
        raise UsageError(f"lora.targets names {absent[0]!r}, and the model has no such layer; its layers are {known}")

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # any number will do
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) or "all-linear",
        use_rslora=lora.rank_stabilised,
        bias="none",
        # GPT-2 keeps its weights the other way round.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        task_type="CAUSAL_LM",
    )


def merged(model: Any) -> Any:
    """Return the model with its adapters added to the weights that they stand beside."""
    from peft import PeftModel

    return model.merge_and_unload(safe_merge=False) if isinstance(model, PeftModel) else model
