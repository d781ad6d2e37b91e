"""The tensors of a model in the order and layout of llama.cpp.

Sources: `convert_hf_to_gguf.py` of llama.cpp, and the names in the gguf package's `tensor_mapping.py`.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from llm_engineering.domain.errors import UsageError

Array = NDArray[Any]
Facts = Mapping[str, Any]
# What a checkpoint holds beside its weights.
_NO_WEIGHTS = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")


@dataclass(frozen=True)
class Layout:
    """An architecture of llama.cpp. `turned` are the ends of names whose weights lie the other way round there."""

    name: str
    turned: tuple[str, ...] = ()
    is_rotated: bool = False  # the rows of queries and keys are in the order of the original Llama


LAYOUTS: Mapping[str, Layout] = {
    "GPT2LMHeadModel": Layout("gpt2", ("c_attn.weight", "c_proj.weight", "c_fc.weight")),
    "LlamaForCausalLM": Layout("llama", is_rotated=True),
    "MistralForCausalLM": Layout("llama", is_rotated=True),
    "Qwen2ForCausalLM": Layout("qwen2"),
}


def layout_of(config: Facts, name: str) -> Layout:
    """Return the layout of a model.

    Raises:
        UsageError: it is none that can be exported; the message lists those that can.
    """
    (architecture,) = config.get("architectures") or [""]
    if architecture not in LAYOUTS:
        raise UsageError(
            f"model {name!r} is a {architecture or 'model of no named architecture'}; as GGUF these can be exported: "
            f"{', '.join(LAYOUTS)}. Others: llama.cpp's convert_hf_to_gguf.py reads --format huggingface"
        )
    if config.get("sliding_window") and config.get("use_sliding_window", architecture.startswith("Mistral")):
        raise UsageError(f"model {name!r} attends to a sliding window, which this export does not write")
    if config.get("scale_attn_by_inverse_layer_idx") or config.get("activation_function", "gelu_new") not in (
        "gelu_new",
        "gelu_pytorch_tanh",
    ):
        raise UsageError(f"model {name!r} departs from GPT-2 (activation or scaled attention); llama.cpp would differ")
    if config.get("hidden_act", "silu") != "silu":
        raise UsageError(f"model {name!r} computes with {config['hidden_act']}; llama.cpp takes silu for granted here")
    return LAYOUTS[architecture]


def heads_of(config: Facts) -> tuple[int, int, int]:
    """Return the number of heads, that of key heads, and the width of a head."""
    heads = int(config.get("num_attention_heads") or config["n_head"])
    width = int(config.get("hidden_size") or config["n_embd"])
    return heads, int(config.get("num_key_value_heads") or heads), int(config.get("head_dim") or width // heads)


def tensors(
    folder: Path, layout: Layout, config: Facts, rename: Callable[[str], str | None]
) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of a folder under their names there, as torch tensors in the layout of llama.cpp.

    Raises:
        UsageError: a weight has no place there.
    """
    heads, key_heads, _ = heads_of(config)
    seen = set()
    for name, tensor in stored(folder):
        if name.endswith(_NO_WEIGHTS):
            continue
        # GPT-2 is also stored without the name of its class before that of the weight.
        found = rename(name) or rename(f"transformer.{name}")
        if found is None:
            raise UsageError(
                f"weight {name!r} has no place in GGUF's layout {layout.name!r}; the model cannot be exported"
            )
        seen.add(found)
        if name.endswith(layout.turned):
            tensor = tensor.T
        if layout.is_rotated and ".self_attn.q_proj." in name:
            tensor = rotated(tensor, heads)
        if layout.is_rotated and ".self_attn.k_proj." in name:
            tensor = rotated(tensor, key_heads)
        yield found, tensor
        if layout.name == "gpt2" and found == "token_embd.weight" and config.get("tie_word_embeddings", True):
            # Older readers of GPT-2 look for an output head of its own.
            yield "output.weight", tensor
    if factors := rope_factors(config):
        import torch

        yield "rope_freqs.weight", torch.tensor(factors, dtype=torch.float32)


def stored(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield all tensors of the safetensors files of a folder, one at a time."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                yield name, file.get_tensor(name)


def rotated(weights: Any, heads: int) -> Any:
    """Return rows (heads · 2 · n) of queries or keys with the halves of each head interleaved, as llama.cpp turns them.

    >>> rotated(np.arange(4).reshape(4, 1), 1).ravel().tolist()
    [0, 2, 1, 3]
    """
    shape = tuple(weights.shape)
    return weights.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def rope_base(config: Facts) -> float:
    """Return the base of the rotary frequencies."""
    return float((config.get("rope_parameters") or {}).get("rope_theta") or config.get("rope_theta") or 10_000.0)


def rope_factors(config: Facts) -> list[float]:
    """Return by what each rotary frequency is divided, as Llama 3.1 does for long texts; none for plain ones.

    Raises:
        UsageError: the frequencies are scaled in another way.
    """
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind == "default":
        return []
    if kind != "llama3":
        raise UsageError(f"rotary positions scaled as {kind!r} are not exported; known are default and llama3")
    width = heads_of(config)[2]
    factor, old = float(scaling["factor"]), float(scaling["original_max_position_embeddings"])
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    found = []
    for place in range(0, width, 2):
        wave = 2 * math.pi * rope_base(config) ** (place / width)
        smooth = min(1.0, max(0.0, (old / wave - low) / (high - low)))
        found.append(1 / ((1 - smooth) / factor + smooth))
    return found
