"""What a plain BERT with mean pooling is: such models this project computes itself, in torch and in ONNX Runtime."""

from collections.abc import Mapping
from typing import Any

from llm_engineering.infrastructure.embedders.model_files import ModelFiles

MODULES = ("Transformer", "Pooling", "Normalize")
# What the settings may say; anything else is another computation.
SETTINGS: Mapping[str, tuple[object, ...]] = {
    "model_type": ("bert",),
    "hidden_act": ("gelu",),
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
}
DEFAULTS: Mapping[str, object] = {
    "position_embedding_type": "absolute",
    "hidden_act": "gelu",
    "is_decoder": False,
    "add_cross_attention": False,
}


def is_plain_bert(files: ModelFiles) -> bool:
    """Tell whether the files are such a model, and nothing else."""
    config = {**DEFAULTS, **files.settings("config.json")}
    kinds = tuple(module.type.rpartition(".")[2] for module in files.modules)
    weights = [path.as_posix() for path in files.files if path.suffix == ".safetensors"]
    return (
        kinds in (MODULES, MODULES[:2])
        and weights == ["model.safetensors"]
        and all(config.get(name) in valid for name, valid in SETTINGS.items())
        and _pools_the_mean(files.settings(f"{files.modules[1].path}/config.json"))
    )


def _pools_the_mean(pooling: Mapping[str, Any]) -> bool:
    modes = {name for name, value in pooling.items() if name.startswith("pooling_mode_") and value is True}
    return modes == {"pooling_mode_mean_tokens"} and pooling.get("include_prompt", True) is True
