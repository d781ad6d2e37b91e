"""Exports: what another program reads is what was trained."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_llm import CHAT_TEMPLATE, tiny_llm
from transformers import AutoModelForCausalLM, AutoTokenizer

from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.training import open_registry
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.infrastructure.exports.layouts import rope_factors, rotated
from llm_engineering.infrastructure.exports.ollama import turned
from llm_engineering.infrastructure.exports.vocabulary import vocabulary_of
from llm_engineering.infrastructure.llms.templates import ChatTemplate
from llm_engineering.promotions import export_model

gguf: Any = pytest.importorskip("gguf", reason="the extra gguf is not installed")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def registered(folder: Path, **facts: object) -> RegisteredModel:
    card = {"name": "own", "number": 0, "kind": "llm", "settings": {"a": 1}} | facts
    return open_registry(Workspace()).register(RegisteredModel.model_validate(card), folder)


def other(kind: str, folder: Path) -> Path:
    """Write a small model of another architecture, with the tokenizer of the tiny one."""
    import transformers

    tiny_llm(folder)
    for path in folder.glob("*.safetensors"):
        path.unlink()
    sizes: dict[str, dict[str, Any]] = {
        "GPT2": {"n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4},
        "Qwen2": {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
        "Mistral": {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "sliding_window": None,
        },
        "GPTNeoX": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4},
    }  # fmt: skip
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=259, bos_token_id=1, eos_token_id=2, pad_token_id=0, **sizes[kind]
    )
    name = f"{kind}LMHeadModel" if kind == "GPT2" else f"{kind}ForCausalLM"
    getattr(transformers, name)(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["Llama", "GPT2", "Qwen2", "Mistral"])
def test_a_gguf_file_holds_weights_vocabulary_and_template(kind: str, tmp_path: Path) -> None:
    folder = tiny_llm(tmp_path / "m") if kind == "Llama" else other(kind, tmp_path / "m")
    registered(folder, licence="ours")
    done = export_model("own", str(tmp_path / "to"), "gguf")
    assert done.files == ("Modelfile", "own-1.gguf")
    reader = gguf.GGUFReader(tmp_path / "to" / "own-1.gguf")
    read = {tensor.name: tensor for tensor in reader.tensors}
    model = AutoModelForCausalLM.from_pretrained(folder)
    table = model.get_input_embeddings().weight.detach().numpy()
    assert np.array_equal(read["token_embd.weight"].data, table)
    assert reader.fields["tokenizer.ggml.tokens"].contents() == AutoTokenizer.from_pretrained(
        folder
    ).convert_ids_to_tokens(range(259))
    assert reader.fields["tokenizer.chat_template"].contents() == CHAT_TEMPLATE
    assert reader.fields["tokenizer.ggml.eos_token_id"].contents() == 2
    assert reader.fields["tokenizer.ggml.pre"].contents() == "gpt-2"
    assert reader.fields["general.quantization_version"].contents() == gguf.GGML_QUANT_VERSION
    layers = reader.fields[f"{reader.fields['general.architecture'].contents()}.block_count"].contents()
    assert layers == 2
    if kind in ("Llama", "Mistral"):
        query = model.model.layers[1].self_attn.q_proj.weight.detach().numpy()
        assert np.array_equal(read["blk.1.attn_q.weight"].data, rotated(query, 4))
    if kind == "GPT2":
        both = model.transformer.h[0].attn.c_attn.weight.detach().numpy()
        assert np.array_equal(read["blk.0.attn_qkv.weight"].data, both.T)


def test_turned_rows_give_the_same_scores_as_llama_cpp_turns_them() -> None:
    """llama.cpp turns neighbours, transformers turns halves; with the rows reordered both see the same angles."""
    random, heads, width = np.random.default_rng(0), 2, 8
    weights, text = random.normal(size=(2, heads * width, 5)), random.normal(size=5)
    angles = 3 * 10_000.0 ** (-np.arange(0, width, 2) / width)

    def halves(one: Any) -> Any:
        left, right = one[:, : width // 2], one[:, width // 2 :]
        return np.concatenate(
            [left * np.cos(angles) - right * np.sin(angles), right * np.cos(angles) + left * np.sin(angles)], 1
        )

    def neighbours(one: Any) -> Any:
        even, odd = one[:, ::2], one[:, 1::2]
        return np.stack(
            [even * np.cos(angles) - odd * np.sin(angles), odd * np.cos(angles) + even * np.sin(angles)], 2
        ).reshape(one.shape)

    ours = [halves((one @ text).reshape(heads, width)) for one in weights]
    theirs = [neighbours((rotated(one, heads) @ text).reshape(heads, width)) for one in weights]
    assert np.allclose((ours[0] * ours[1]).sum(1), (theirs[0] * theirs[1]).sum(1))


@pytest.mark.parametrize("precision", ["f16", "bf16", "q8_0"])
def test_other_precisions_are_near_the_weights(precision: str, tmp_path: Path) -> None:
    registered(tiny_llm(tmp_path / "m"))
    done = export_model("own", str(tmp_path / "to"), "gguf", precision)
    assert f"in {precision}, read back" in done.notes[0]


def test_long_positions_are_scaled_as_transformers_does(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    scaled = {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64, "rope_theta": 10_000.0,
    }  # fmt: skip
    sizes = {
        "hidden_size": 64,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "intermediate_size": 8,
        "vocab_size": 9,
    }
    config = LlamaConfig(**sizes, max_position_embeddings=512, rope_parameters=scaled)
    plain = LlamaConfig(**sizes, max_position_embeddings=512)
    theirs = LlamaForCausalLM(config).model.rotary_emb.inv_freq
    before = LlamaForCausalLM(plain).model.rotary_emb.inv_freq
    assert torch.allclose(before / torch.tensor(rope_factors(config.to_dict())), theirs, rtol=1e-4)
    with pytest.raises(UsageError, match="'yarn'"):
        rope_factors({"rope_scaling": {"rope_type": "yarn"}})


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, CHATML, "{{ bos_token }}" + CHATML])
def test_the_modelfile_writes_conversations_as_the_template_does(template: str, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llm(tmp_path / "m"))
    tokenizer.chat_template = template
    found = turned(ChatTemplate.of(tokenizer))
    assert found is not None
    turns = [{"role": "system", "content": "{{ x }}"}, {"role": "user", "content": "Who?"}]
    assert found.render(turns) == ChatTemplate.of(tokenizer).render(turns, answers=True).removeprefix("<s>")


def test_a_template_that_is_no_row_of_turns_is_named_and_not_guessed(tmp_path: Path) -> None:
    folder = tiny_llm(tmp_path / "m")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}"
    tokenizer.save_pretrained(folder)
    registered(folder)
    done = export_model("own", str(tmp_path / "to"), "gguf")
    assert any("has no TEMPLATE" in note for note in done.notes)
    assert "TEMPLATE" not in (tmp_path / "to" / "Modelfile").read_text()


def test_a_folder_for_vllm_is_the_model_as_it_is(tmp_path: Path) -> None:
    folder = tiny_llm(tmp_path / "m")
    registered(folder)
    done = export_model("own@1", str(tmp_path / "to"), "huggingface")
    assert done.commands == (f"vllm serve {(tmp_path / 'to').resolve()} --served-model-name own",)
    assert (tmp_path / "to" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    with pytest.raises(UsageError, match="not empty"):
        export_model("own@1", str(tmp_path / "to"), "huggingface")


REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
# Of Mistral Nemo: words end at a capital letter, and llama.cpp would read other tokens if it were called qwen2.
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def splitting(folder: Path, expression: str) -> Path:
    """Let the tokenizer of a folder split texts by an expression."""
    known = json.loads((folder / "tokenizer.json").read_text())
    known["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        ],
    }
    (folder / "tokenizer.json").write_text(json.dumps(known))
    return folder


def test_how_texts_are_split_is_named_only_where_the_whole_expression_is_known(tmp_path: Path) -> None:
    folder, size = tiny_llm(tmp_path / "m"), 259
    for digits, name in ((r"\p{N}{1,3}", "llama-bpe"), (r"\p{N}", "qwen2")):
        assert vocabulary_of(splitting(folder, WORDS + digits + REST), size).split == name
    with pytest.raises(UsageError, match="splits texts in a way"):
        vocabulary_of(splitting(folder, TEKKEN), size)


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    registered(other("GPTNeoX", tmp_path / "m"))
    with pytest.raises(UsageError, match="GPT2LMHeadModel, LlamaForCausalLM"):
        export_model("own", str(tmp_path / "to"), "gguf")
    folder = tiny_llm(tmp_path / "words")
    known = json.loads((folder / "tokenizer.json").read_text())
    for name, change, reason in (
        ("split", {"pre_tokenizer": {"type": "Whitespace"}}, "splits texts"),
        ("normal", {"normalizer": {"type": "Lowercase"}}, "Lowercase"),
        ("bytes", {"model": known["model"] | {"byte_fallback": True}}, "byte fallback"),
    ):
        (folder / "tokenizer.json").write_text(json.dumps(known | change))
        registered(folder, name=name)
        with pytest.raises(UsageError, match=reason):
            export_model(name, str(tmp_path / "to"), "gguf")
    with pytest.raises(UsageError, match="trained with the chat template"):
        export_model(registered(folder, template="0" * 64).reference, str(tmp_path / "to"), "huggingface")
    assert not (tmp_path / "to").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".to")]
