"""The tokenizer of a model from its tokenizer.json, without loading the model."""

import re
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from llm_engineering.domain.errors import UsageError

SURROGATE = re.compile("[\ud800-\udfff]")
SLICE = 512


class FileTokenizer:
    """Sub-words as the model sees them. Truncation and padding in the file are undone: nothing is cut off in silence.

    `special_tokens` counts what a passage has besides its text: the model's own signs and the passage prompt.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, prompt: str) -> None:
        self.max_tokens = max_tokens
        self._tokenizer = tokenizer
        self._prompt = prompt
        self.special_tokens = len(tokenizer.encode(prompt).ids)

    @classmethod
    def load(cls, path: Path, max_tokens: int, prompt: str = "") -> "FileTokenizer":
        """Read the file."""
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare exceptions
            raise UsageError(f"{path} is no tokenizer ({error}); get the files of the model again") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(tokenizer, max_tokens, prompt)

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return self._tokenizer.encode(readable(text), add_special_tokens=False).offsets

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(self._prompt + readable(text)).ids)

    def ids(self, texts: Sequence[str], prompt: str) -> list[list[int]]:
        """Return the token ids of texts after a prompt, special tokens included."""
        found: list[list[int]] = []
        for start in range(0, len(texts), SLICE):  # what the tokenizer returns is large: keep the ids alone
            batch = [prompt + readable(text) for text in texts[start : start + SLICE]]
            found += [encoding.ids for encoding in self._tokenizer.encode_batch(batch)]
        return found

    def query_ids(self, text: str, prompt: str) -> list[int]:
        """Return the token ids of a query; one that exceeds the window loses its end, the closing signs stay."""
        encoding = self._tokenizer.encode(prompt + readable(text))
        ids, closing = encoding.ids, closing_signs(encoding.special_tokens_mask)
        if len(ids) <= self.max_tokens:
            return ids
        return ids[: self.max_tokens - closing] + ids[len(ids) - closing :]


def closing_signs(special: Sequence[int]) -> int:
    """Return how many special tokens end the sequence.

    >>> closing_signs([1, 0, 0, 1])
    1
    """
    return next((count for count, sign in enumerate(reversed(special)) if not sign), 0)


def readable(text: str) -> str:
    """Replace lone surrogates, which no tokenizer can read, by the replacement character; offsets stay."""
    return SURROGATE.sub("\ufffd", text)
