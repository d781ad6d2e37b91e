"""Sizing texts for a model whose tokenizer is not here."""

import re
from collections.abc import Sequence

# What a sub-word vocabulary holds nearly always: four letters, three digits, any other single sign.
PIECE = re.compile(r"[A-Za-z]{1,4}|[0-9]{1,3}|[^\sA-Za-z0-9]")
SPECIAL_TOKENS = 2


class EstimatingTokenizer:
    """Takes four letters, three digits or one other sign as a sub-word: more than real ones for most languages.

    `special_tokens` counts what a passage has besides its text: two signs of the model and the passage prompt.
    """

    def __init__(self, max_tokens: int, prompt: str = "") -> None:
        self.max_tokens = max_tokens
        self.special_tokens = SPECIAL_TOKENS + len(PIECE.findall(prompt))

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return [match.span() for match in PIECE.finditer(text)]

    def count(self, text: str) -> int:
        return sum(1 for _ in PIECE.finditer(text)) + self.special_tokens
