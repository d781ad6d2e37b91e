"""The model as a folder that transformers loads, with the same scores, and ours reads back.

With learned positions it is a GPT-2, with rotary ones a GPT-NeoX whose attention and MLP come one after the other.
The vocabulary becomes a tokenizer.json, and a chat template says how a conversation is written down.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.trainers.gpt.bpe import FIRST, BytePairs
from llm_engineering.infrastructure.trainers.gpt.model import THETA, Gpt, GptSettings
from llm_engineering.infrastructure.trainers.gpt.vocabulary import (
    END,
    PADDING,
    PATTERNS,
    SPECIALS,
    UNKNOWN,
    WORD,
    Pieces,
    Vocabulary,
)

OURS = "gpt.json"
# What is said cannot play a role: the names of special tokens in it are taken apart.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] | replace('<|', '< |') }}"
    "<|endoftext|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
Change = Callable[[Tensor], Tensor]


def export(model: Gpt, vocabulary: Vocabulary, folder: Path) -> Path:
    """Write the model into a folder, which is there whole or not at all; return it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as name:
        place = Path(name) / "model"
        place.mkdir()
        own = dict(model.named_parameters())
        named = {theirs: change(own[ours].detach().cpu()) for ours, theirs, change, _ in _names(model.settings)}
        save_file({name: value.contiguous() for name, value in named.items()}, place / "model.safetensors",
                  metadata={"format": "pt"})  # fmt: skip
        _write(place / "config.json", _config(model.settings))
        _write(place / "generation_config.json", {"bos_token_id": END, "eos_token_id": END, "pad_token_id": PADDING})
        _write(place / "tokenizer.json", json.loads(tokenizer_of(vocabulary).to_str()))
        _write(place / "tokenizer_config.json", _tokenizer_config(model.settings))
        _write(place / OURS, {"model": asdict(model.settings), "vocabulary": vocabulary.described()})
        place.rename(folder)
    return folder


def load(folder: Path) -> tuple[Gpt, Vocabulary]:
    """Return the model and the vocabulary of a folder that `export` wrote.

    Raises:
        UsageError: it is no such folder.
    """
    try:
        told = json.loads((folder / OURS).read_text(encoding="utf-8"))
        settings, vocabulary = GptSettings(**told["model"]), vocabulary_of(told["vocabulary"])
        stored = load_file(folder / "model.safetensors")
        own = {ours: back(stored[theirs]).contiguous() for ours, theirs, _, back in _names(settings)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder} holds no GPT of this project ({type(error).__name__}: {error}); name a folder that `export` "
            "wrote, or that of a model which run-pretraining-pipeline registered"
        ) from error
    model = Gpt(settings)
    model.load_state_dict({**own, "head.weight": own["tokens.weight"]} if settings.tied else own)
    model.train(mode=False)
    return model, vocabulary


def vocabulary_of(described: dict[str, Any]) -> Vocabulary:
    """Return the vocabulary that `described` tells of."""
    if described["kind"] == "bpe":
        return BytePairs(tuple((left, right) for left, right in described["merges"]))
    return Pieces(described["kind"], tuple(described["pieces"]), described["unknown"])


def tokenizer_of(vocabulary: Vocabulary) -> Any:
    """Return a tokenizer of the `tokenizers` library that encodes every text as the vocabulary does."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    if isinstance(vocabulary, BytePairs):
        written = [*SPECIALS, *("".join(_SIGNS[byte] for byte in token) for token in vocabulary.tokens[FIRST:])]
        merges = [(written[left], written[right]) for left, right in vocabulary.merges]
        numbers = {token: number for number, token in enumerate(written)}
        tokenizer = Tokenizer(models.BPE(vocab=numbers, merges=merges))
        words = pre_tokenizers.Split(Regex(WORD), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
        tokenizer.decoder = decoders.ByteLevel()
    elif isinstance(vocabulary, Pieces):
        # A name that is no token makes the library refuse what is unknown, as the vocabulary does.
        unknown = SPECIALS[UNKNOWN] if vocabulary.unknown == "token" else "<|refused|>"
        tokenizer = Tokenizer(models.WordLevel(vocab=dict(vocabulary.ids), unk_token=unknown))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PATTERNS[vocabulary.kind]), "isolated")
        tokenizer.decoder = decoders.Fuse()
    else:
        raise UsageError(
            f"a vocabulary of type {type(vocabulary).__name__} cannot be exported; use bpe, characters or words"
        )
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIALS])
    return tokenizer


def _names(settings: GptSettings) -> Iterator[tuple[str, str, Change, Change]]:
    """Yield for each weight its name here, its name there, and how it is changed on the way there and back."""
    learned = settings.positions == "learned"
    body = "transformer" if learned else "gpt_neox"
    theirs = _GPT2 if learned else _NEOX
    yield "tokens.weight", f"{body}.{theirs['tokens']}.weight", _same, _same
    if learned:
        yield "places.weight", "transformer.wpe.weight", _same, _same
    for layer in range(settings.layers):
        for name in ("before_attention", "attention.project", "attention.output", "before_mlp", "widen", "narrow"):
            place = f"{body}.{theirs['block']}.{layer}.{theirs[name]}"
            for part in ("weight", "bias"):
                there, back = _changes(settings, name, part)
                yield f"blocks.{layer}.{name}.{part}", f"{place}.{part}", there, back
    for part in ("weight", "bias"):
        yield f"norm.{part}", f"{body}.{theirs['norm']}.{part}", _same, _same
    if not settings.tied:
        yield "head.weight", theirs["head"], _same, _same


_GPT2 = {
    "tokens": "wte", "block": "h", "before_attention": "ln_1", "attention.project": "attn.c_attn",
    "attention.output": "attn.c_proj", "before_mlp": "ln_2", "widen": "mlp.c_fc", "narrow": "mlp.c_proj",
    "norm": "ln_f", "head": "lm_head.weight",
}  # fmt: skip
_NEOX = {
    "tokens": "embed_in", "block": "layers", "before_attention": "input_layernorm",
    "attention.project": "attention.query_key_value", "attention.output": "attention.dense",
    "before_mlp": "post_attention_layernorm", "widen": "mlp.dense_h_to_4h", "narrow": "mlp.dense_4h_to_h",
    "norm": "final_layer_norm", "head": "embed_out.weight",
}  # fmt: skip


def _changes(settings: GptSettings, name: str, part: str) -> tuple[Change, Change]:
    is_matrix = part == "weight" and not name.startswith("before_")
    if settings.positions == "learned":
        # GPT-2 writes its matrices the other way round: [in, out].
        return (_turned, _turned) if is_matrix else (_same, _same)
    if name == "attention.project":
        heads = settings.heads

        # Ours are all queries, all keys, all values: [3, H, D]; GPT-NeoX has those of each head together: [H, 3, D].
        def there(value: Tensor) -> Tensor:
            return value.view(3, heads, -1, *value.shape[1:]).transpose(0, 1).reshape(value.shape)

        def back(value: Tensor) -> Tensor:
            return value.view(heads, 3, -1, *value.shape[1:]).transpose(0, 1).reshape(value.shape)

        return there, back
    return _same, _same


def _same(value: Tensor) -> Tensor:
    return value


def _turned(value: Tensor) -> Tensor:
    return value.t()


def _config(settings: GptSettings) -> dict[str, object]:
    """Return config.json in the words of the architecture."""
    common: dict[str, object] = {
        "vocab_size": settings.vocabulary,
        "tie_word_embeddings": settings.tied,
        "bos_token_id": END,
        "eos_token_id": END,
        "pad_token_id": PADDING,
        "dtype": "float32",
    }
    if settings.positions == "learned":
        return common | {
            "model_type": "gpt2",
            "architectures": ["GPT2LMHeadModel"],
            "n_positions": settings.width,
            "n_embd": settings.channels,
            "n_layer": settings.layers,
            "n_head": settings.heads,
            "activation_function": "gelu",
            "layer_norm_epsilon": 1e-5,
            "attn_pdrop": 0.0,
            "embd_pdrop": settings.dropout,
            "resid_pdrop": settings.dropout,
        }
    return common | {
        "model_type": "gpt_neox",
        "architectures": ["GPTNeoXForCausalLM"],
        "max_position_embeddings": settings.width,
        "hidden_size": settings.channels,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "intermediate_size": 4 * settings.channels,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "use_parallel_residual": False,
        "attention_bias": True,
        "attention_dropout": 0.0,
        "hidden_dropout": settings.dropout,
        # The first is read by version 5 of transformers, the other two by those before and by other programs.
        "rope_parameters": {"rope_type": "default", "rope_theta": THETA, "partial_rotary_factor": 1.0},
        "rotary_pct": 1.0,
        "rotary_emb_base": THETA,
    }


def _tokenizer_config(settings: GptSettings) -> dict[str, object]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": settings.width,
        "bos_token": SPECIALS[END],
        "eos_token": SPECIALS[END],
        "unk_token": SPECIALS[UNKNOWN],
        "pad_token": SPECIALS[PADDING],
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


def _signs() -> list[str]:
    """Return the sign that GPT-2 writes each byte as: itself where it can be seen, else one from 256 on."""
    seen = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = [byte for byte in range(256) if byte not in seen]
    return [chr(byte) if byte in seen else chr(256 + hidden.index(byte)) for byte in range(256)]


_SIGNS = _signs()


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
