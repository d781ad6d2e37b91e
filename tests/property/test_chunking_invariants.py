"""What holds for every chunker, every tokenizer and every text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_engineering.application.chunking import (
    ByFormat,
    Chunker,
    Code,
    Fixed,
    Markdown,
    PythonChunker,
    Record,
    Sentences,
)
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import CleanedDocument, Format
from llm_engineering.domain.ports import SubwordTokenizer


@dataclass
class WordPieces:
    """Up to four letters a token, [CLS] and [SEP]; control characters and marks are dropped, as BERT does."""

    max_tokens: int = 40
    special_tokens: int = 2

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for index, character in enumerate(text):
            if character.isspace() or not character.isprintable():
                continue
            goes_on = found and found[-1][1] == index and text[index - 1].isalnum() and character.isalnum()
            if goes_on and index - found[-1][0] < 4:
                found[-1] = (found[-1][0], index + 1)
            else:
                found.append((index, index + 1))
        return found

    def count(self, text: str) -> int:
        return len(self.spans(text)) + self.special_tokens


@dataclass
class Bytes(WordPieces):
    """A token for each byte, as byte-level models fall back to; the bytes of a character share its span."""

    max_tokens: int = 60
    special_tokens: int = 1

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return [(index, index + 1) for index, character in enumerate(text) for _ in character.encode()]


@dataclass
class Underestimating(WordPieces):
    """Shows no span for what is not ASCII, yet counts it: the worst that `spans` may do."""

    max_tokens: int = 48

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return [span for span in super().spans(text) if text[span[0]].isascii()]

    def count(self, text: str) -> int:
        return len(super().spans(text)) + sum(not character.isascii() for character in text) + self.special_tokens


TOKENIZERS = [WordPieces(), Bytes(), Underestimating()]
CHUNKERS: list[Chunker] = [
    *(Record(), Markdown(target_tokens=20), Sentences(), Code(), Fixed(overlap=6), ByFormat()),
    PythonChunker(function="source_files:lines_of"),
]
FORMATS: list[Format] = ["record", "markdown", "text", "code"]

MARKDOWN_LINES = st.sampled_from(
    [
        "# Title", "## Two", "### Three", "Setext\n---", "", "", "A sentence here. Another one, with more words in it!",
        "- an item", "  - a nested item: see", "1. first", "> a quotation. Of two sentences.", "```python", "```",
        "~~~", "    indented code", "| a | b |", "|---|---|", "| 1 | two words |", "<div>", "</div>", "---",
        "word " * 30, "x" * 300, "今日は良い天気です。散歩に行きましょう。" * 3, "สวัสดี" * 20, "👩‍👩‍👧‍👦🇩🇪" * 15, "[a]: http://x.y",
        "\t\ttabs", "def f(a, b):", "class C:", "        return a + b", "@decorator", "# comment", "}",
        "The list follows:",
    ]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=400),
    st.lists(MARKDOWN_LINES, max_size=25).map("\n".join),
    st.lists(st.text(max_size=12), max_size=60).map(" ".join),
    st.text(alphabet="ab .\n#`|-é\u0301\u200d😀", max_size=400),
)
TITLES = st.one_of(st.just(""), st.just("Title"), st.text(max_size=60), st.just("a very long title " * 30))


def document(text: str, format: Format = "markdown", title: str = "") -> CleanedDocument:
    return CleanedDocument("id", "file:///a.md", "test", format, text, title, "hash", {"path": "src/a.py"})


def assert_sound(chunks: list[Chunk], text: str, tokenizer: SubwordTokenizer) -> None:
    covered = [False] * len(text)
    for position, chunk in enumerate(chunks):
        assert chunk.position == position
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert chunk.tokens == tokenizer.count(chunk.embedded_text) <= tokenizer.max_tokens
        covered[chunk.start : chunk.end] = [True] * (chunk.end - chunk.start)
    assert all(seen or text[index].isspace() for index, seen in enumerate(covered))
    starts = [chunk.start for chunk in chunks]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=lambda tokenizer: type(tokenizer).__name__)
@pytest.mark.parametrize("chunker", CHUNKERS, ids=lambda chunker: chunker.kind)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, title=TITLES, format=st.sampled_from(FORMATS))
def test_chunks_fit_the_window_and_cover_the_text(
    chunker: Chunker, tokenizer: WordPieces, text: str, title: str, format: Format
) -> None:
    cleaned = document(text, format, title)
    chunks = list(chunker.chunk(cleaned, tokenizer))
    assert_sound(chunks, text, tokenizer)
    assert list(chunker.chunk(cleaned, tokenizer)) == chunks
    if not isinstance(chunker, Fixed | ByFormat):
        assert all(before.end <= after.start for before, after in pairwise(chunks))
