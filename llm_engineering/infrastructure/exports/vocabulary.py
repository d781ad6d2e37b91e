"""The vocabulary of a byte-level tokenizer in the words of llama.cpp."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_engineering.domain.errors import UsageError

# The expressions that split texts, with the name that llama.cpp has for each. They differ in how digits are read.
_EXPRESSION = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {
    _EXPRESSION.replace("DIGITS", digits): name for digits, name in ((r"\p{N}{1,3}", "llama-bpe"), (r"\p{N}", "qwen2"))
}
NORMAL, CONTROL, ADDED, UNUSED = 1, 3, 4, 5


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id, each with its kind (of GGUF), and the merges. `split` names how texts are split before."""

    tokens: list[str]
    kinds: list[int]
    merges: list[str]
    split: str


def vocabulary_of(folder: Path, size: int) -> Vocabulary:
    """Return the vocabulary of a tokenizer for a model with an embedding of so many rows.

    Raises:
        UsageError: it is no byte-level BPE, or one that llama.cpp would not follow.
    """
    path = folder / "tokenizer.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error}); a GGUF file holds its vocabulary") from error
    model = known["model"]
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        fallback = " with byte fallback" if model.get("byte_fallback") else ""
        raise UsageError(
            f"the tokenizer is of kind {model.get('type')}{fallback}; as GGUF only byte-level BPE is exported (GPT-2, "
            "Llama 3, Qwen). Use --format huggingface"
        )
    if known.get("normalizer") and known["normalizer"].get("type") != "NFC":
        raise UsageError(f"the tokenizer changes texts first ({known['normalizer'].get('type')}); llama.cpp would not")
    tokens = [f"[PAD{place}]" for place in range(size)]
    kinds = [UNUSED] * size
    added = {one["id"]: (one["content"], CONTROL if one["special"] else ADDED) for one in known.get("added_tokens", [])}
    plain = {place: (token, NORMAL) for token, place in model["vocab"].items()}
    for place, (token, kind) in (plain | added).items():
        if place >= size:
            raise UsageError(f"token {token!r} has the id {place}, and the model has {size} embeddings")
        tokens[place], kinds[place] = token, kind
    merges = [one if isinstance(one, str) else " ".join(one) for one in model.get("merges", [])]
    return Vocabulary(tokens, kinds, merges, _split(known.get("pre_tokenizer") or {}))


def _split(rules: dict[str, Any]) -> str:
    """Return llama.cpp's name for how a text is split into words.

    Raises:
        UsageError: it has none for it.
    """
    parts = rules.get("pretokenizers") or [rules]
    last = parts[-1]
    if last.get("type") == "ByteLevel" and not last.get("add_prefix_space"):
        if len(parts) == 1 and last.get("use_regex", True):
            return "gpt-2"
        if len(parts) == 2 and parts[0].get("type") == "Split" and not last.get("use_regex", True):
            expression = str((parts[0].get("pattern") or {}).get("Regex", ""))
            if name := _SPLITS.get(expression):
                return name
    raise UsageError(
        "the tokenizer splits texts in a way that llama.cpp has no name for, so it would read other tokens; known are "
        f"those of GPT-2, {', '.join(_SPLITS.values())}. Use --format huggingface"
    )
