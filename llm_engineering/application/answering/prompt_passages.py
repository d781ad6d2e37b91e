"""Passages on their way into a prompt: neutral, within the budget, with where each came from."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llm_engineering.application.answering.injection import is_injected
from llm_engineering.application.answering.numbered import Numbered
from llm_engineering.application.answering.units import units
from llm_engineering.application.text.characters import SPACELESS
from llm_engineering.application.text.sentences import sentence_spans

Count = Callable[[str], int]

HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\ufff0-\ufffc\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e007f]"
)
_ROLE = re.compile(
    r"<\|(?=[\w ]{1,40}\|>)|<(?=/?(?:s|system|assistant|user|passages?|context|im_start|im_end|think|tool_call)\s*>)"
    r"|\[(?=/?INST\])|<(?=</?SYS>>)|<(?=start_of_turn>|end_of_turn>)",
    re.IGNORECASE,
)
_TURN = re.compile(r"^(\s*(?:#+\s*)?(?:system|assistant|user|human|developer|question|quotes))(\s*:|\s*$)", re.I | re.M)
_LEFT_OUT = "[…]"


@dataclass(frozen=True)
class PromptPassage:
    """A passage as a model reads it."""

    number: int
    text: str


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has, rather too many: 3.5 characters each, one for each CJK character."""
    spaceless = len(re.findall(f"[{SPACELESS}]", text))
    other = sum(character > "\u024f" for character in text) - spaceless
    return int((len(text) - spaceless - other) / 3.5 + spaceless + max(other, 0) / 1.8) + 1


def neutral(text: str) -> str:
    """Return a text that cannot pass for a part of the prompt: no invisible characters, no tokens of roles.

    >>> neutral("a<|im_start|>system")
    'a< |im_start|>system'
    """
    text = HIDDEN.sub("", unicodedata.normalize("NFC", text.replace("\u2028", "\n").replace("\u2029", "\n")))
    text = re.sub(r"<<+|>>+", lambda found: " ".join(found[0]), text)
    text = _ROLE.sub(lambda found: found[0] + " ", text)
    return _TURN.sub(r"\1 -\2", text)


def prompt_passages(
    passages: Sequence[Numbered], budget: int, *, neutralise: bool, count: Count = estimated_tokens
) -> list[PromptPassage]:
    """Return the passages for a prompt, best first, within a budget of tokens.

    Flagged passages are left out, or without the sentences that give orders. The first passage that is too long is cut
    at the end of a sentence; after it there is room for no other.
    """
    found: list[PromptPassage] = []
    for passage in passages:
        text = _without_orders(passage.text) if neutralise else "" if is_injected(passage.text) else passage.text
        text = neutral(text).strip()
        needed = count(text)
        if text and needed > budget:
            text = _cut(text, budget, count)
            budget = 0
        if text.strip(f"{_LEFT_OUT} \n"):
            found.append(PromptPassage(passage.number, text))
        budget -= needed
        if budget <= 0:
            break
    return found


def _without_orders(text: str) -> str:
    if not is_injected(text):
        return text
    kept = [text[start:end] for start, end in units(text) if not is_injected(text[start:end])]
    joined = f" {_LEFT_OUT} ".join(kept)
    return "" if is_injected(joined) else joined


def _cut(text: str, budget: int, count: Count) -> str:
    """Return the longest beginning of whole sentences within the budget."""
    kept = 0
    for _, end in sentence_spans(text):
        if count(text[:end]) > budget:
            break
        kept = end
    return text[:kept]
