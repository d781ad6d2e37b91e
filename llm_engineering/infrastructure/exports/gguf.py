"""GGUF files: written with the gguf package, read back, and compared with the weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.exports.layouts import (
    Facts,
    Layout,
    heads_of,
    layout_of,
    rope_base,
    tensors,
)
from llm_engineering.infrastructure.exports.vocabulary import vocabulary_of
from llm_engineering.infrastructure.llms.templates import ChatTemplate

_STORED = {"torch.float32": "f32", "torch.float16": "f16", "torch.bfloat16": "bf16"}
# How far a weight may be off when it is read back: relative to the largest of its row.
_EXACT = {"f32": 0.0, "f16": 1e-3, "bf16": 8e-3, "q8_0": 8e-3}


def write_gguf(folder: Path, name: str, template: ChatTemplate, precision: str, path: Path) -> tuple[int, str]:
    """Write a model with its vocabulary and its template; return the number of tensors and their precision.

    Raises:
        UsageError: an extra is missing, or the model cannot be exported.
        BackendError: what was written is not what was to be written.
    """
    gguf = _library()
    config = _config(folder)
    layout = layout_of(config, name)
    writer = gguf.GGUFWriter(path, layout.name)
    _describe(writer, config, layout, name)
    _add_vocabulary(writer, folder, int(config["vocab_size"]), template)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[layout.name.upper()], _layers(config))
    chosen = precision
    written: dict[str, str] = {}
    for found, tensor in tensors(folder, layout, config, lambda one: names.get_name(one, (".weight", ".bias"))):
        own = _STORED[str(tensor.dtype)] if precision == "auto" else precision
        chosen = own if tensor.ndim > 1 else chosen
        written[found] = _add(gguf, writer, found, tensor, own)
    writer.add_file_type(gguf.LlamaFileType[{"f32": "ALL_F32"}.get(chosen, f"MOSTLY_{chosen.upper()}")])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    compare(path, folder, layout, config, written)
    return len(written), chosen


def compare(path: Path, folder: Path, layout: Layout, config: Facts, written: Mapping[str, str]) -> None:
    """Read a GGUF file back and compare each tensor with the weights.

    Raises:
        BackendError: one is missing, or another.
    """
    gguf = _library()
    read = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[layout.name.upper()], _layers(config))
    for name, tensor in tensors(folder, layout, config, lambda one: names.get_name(one, (".weight", ".bias"))):
        there = read.pop(name, None)
        if there is None:
            raise BackendError(f"tensor {name!r} is missing in {path}")
        wanted = tensor.float().numpy()
        found = gguf.quants.dequantize(there.data, there.tensor_type).reshape(wanted.shape)
        off = float(np.abs(found - wanted).max(initial=0.0))
        if not off <= _EXACT[written[name]] * float(np.abs(wanted).max(initial=0.0)):
            raise BackendError(f"tensor {name!r} in {path} is off by {off:g}; nothing was exported")
    if read:
        raise BackendError(f"{path} has tensors that the model has not: {', '.join(sorted(read)[:3])}")


def _add(gguf: Any, writer: Any, name: str, tensor: Any, precision: str) -> str:
    """Add a tensor; vectors stay in fp32, as llama.cpp wants them, and so do rows that blocks do not divide."""
    data = np.ascontiguousarray(tensor.float().numpy())
    if data.ndim == 1 or precision == "f32":
        writer.add_tensor(name, data)
        return "f32"
    if precision == "f16" or (precision == "q8_0" and data.shape[-1] % 32):
        writer.add_tensor(name, data.astype(np.float16))
        return "f16"
    kind = gguf.GGMLQuantizationType[precision.upper()]
    writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)
    return precision


def _describe(writer: Any, config: Facts, layout: Layout, name: str) -> None:
    heads, key_heads, width = heads_of(config)
    writer.add_name(name)
    writer.add_block_count(_layers(config))
    writer.add_context_length(int(config.get("max_position_embeddings") or config["n_positions"]))
    embedding = int(config.get("hidden_size") or config["n_embd"])
    writer.add_embedding_length(embedding)
    writer.add_feed_forward_length(int(config.get("intermediate_size") or config.get("n_inner") or 4 * embedding))
    writer.add_head_count(heads)
    if layout.name == "gpt2":
        writer.add_layer_norm_eps(float(config.get("layer_norm_epsilon", 1e-5)))
        return
    writer.add_head_count_kv(key_heads)
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_rope_freq_base(rope_base(config))
    writer.add_vocab_size(int(config["vocab_size"]))
    if layout.name == "llama":
        writer.add_rope_dimension_count(width)
    if width * heads != embedding:
        writer.add_key_length(width)
        writer.add_value_length(width)


def _add_vocabulary(writer: Any, folder: Path, size: int, template: ChatTemplate) -> None:
    vocabulary, tokenizer = vocabulary_of(folder, size), template.tokenizer
    writer.add_tokenizer_model("gpt2")  # llama.cpp's name for byte-level BPE
    writer.add_tokenizer_pre(vocabulary.split)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    if vocabulary.merges:
        writer.add_token_merges(vocabulary.merges)
    for add, token in (
        (writer.add_bos_token_id, tokenizer.bos_token_id),
        (writer.add_eos_token_id, tokenizer.eos_token_id),
        (writer.add_pad_token_id, tokenizer.pad_token_id),
    ):
        if token is not None:
            add(token)
    # The template alone decides what a conversation begins with, as in training.
    writer.add_add_bos_token(begins(template))
    writer.add_chat_template(template.text)


def begins(template: ChatTemplate) -> bool:
    """Tell whether conversations begin with the token that begins texts."""
    token = template.tokenizer.bos_token
    return bool(token) and template.render([{"role": "user", "content": "-"}], answers=True).startswith(token)


def _layers(config: Facts) -> int:
    return int(config.get("num_hidden_layers") or config["n_layer"])


def _config(folder: Path) -> Facts:
    """Return the configuration of a model with all its defaults."""
    from transformers import AutoConfig

    try:
        loaded: Any = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"config.json in {folder} is none of a language model: {error}") from error
    found: dict[str, Any] = loaded.to_dict()
    return found


def _library() -> Any:
    try:
        import gguf
        import gguf.quants
    except ImportError as error:
        raise UsageError("GGUF needs an extra; type `poetry install --extras gguf`") from error
    return gguf
