"""What holds for every chunker, every tokenizer and every text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_engineering.application.chunking import (
    ByFormat,
    Chunker,
    Code,
    Fixed,
    Markdown,
    ParentChild,
    PythonChunker,
    Record,
    Semantic,
    Sentences,
)
from llm_engineering.application.chunking.languages import LANGUAGES
from llm_engineering.application.chunking.passage_vectors import KeptVectors
from llm_engineering.domain.chunks import PARENT, Chunk
from llm_engineering.domain.documents import CleanedDocument, Format
from llm_engineering.domain.ports import SubwordTokenizer
from llm_engineering.infrastructure.embedders import Hashing


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


def by_hashing(chunker: Chunker) -> Chunker:
    """Let a chunker compare texts by their words."""
    spec = Hashing(dimension=32)
    vectors = KeptVectors("hashing", spec.open_tokenizer(Path()), lambda: spec.open(Path()))
    return chunker.bound(lambda _: vectors)


TOKENIZERS = [WordPieces(), Bytes(), Underestimating()]
CHUNKERS: list[Chunker] = [
    *(Record(), Markdown(target_tokens=20), Sentences(), Code(), Fixed(overlap=6), ByFormat()),
    PythonChunker(function="source_files:lines_of"),
    *(Code(parser="tree_sitter"), ParentChild(parent_tokens=90, child_tokens=20)),
    *(by_hashing(Semantic(min_tokens=4, target_tokens=20)), by_hashing(ByFormat(text=Semantic(sentences=3)))),
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
    if not isinstance(chunker, Fixed | ByFormat | ParentChild):
        assert all(before.end <= after.start for before, after in pairwise(chunks))


CODE_LINES = st.sampled_from(
    [
        "def f(a, b):", "    return a + b", "class C(D):", "@decorator", "# comment", "// comment", "/* comment", " */",
        "func (s *S) Push(x int) {", "}", "{", "};", ");", "(", "if (a > 1) {", "} else {", "template <typename T>",
        "class P : public Q {", "public:", "namespace n {", "impl<T> Tr for S<T> {", "    fn m(&self) -> i32 {",
        "#[derive(A)]", "export const f = async (x: string) => {", "@Injectable()", "export class A extends B {",
        "  private m(): void {", "#include <a.h>", "#ifdef X", "#endif", "import { a } from 'b';", "x = 1; y = 2",
        "'''", '"""', "`", "\t\tz();", 'größe = "日本語 🦀"', "", "", "word " * 40, "x" * 200, "a.b" * 80,
        "match x { 1 => 2, _ => 3 }", "\f", "\r",
    ]
)  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.one_of(st.lists(CODE_LINES, max_size=30).map("\n".join), st.text(max_size=200)))
def test_code_of_any_language_whole_or_broken_is_covered(language: str, text: str) -> None:
    cleaned = CleanedDocument("id", "file:///a", "test", "code", text, "", "hash", {"path": "a", "language": language})
    for tokenizer in TOKENIZERS:
        assert_sound(list(Code(parser="tree_sitter", target_tokens=8).chunk(cleaned, tokenizer)), text, tokenizer)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, title=TITLES, format=st.sampled_from(FORMATS))
def test_parents_are_stretches_of_the_document_that_hold_their_chunks(text: str, title: str, format: Format) -> None:
    spans: list[tuple[int, int]] = []
    for chunk in ParentChild(parent_tokens=60, child_tokens=12).chunk(document(text, format, title), WordPieces()):
        start, end = map(int, str(chunk.metadata[PARENT]).split("-"))
        assert 0 <= start <= chunk.start < chunk.end <= end <= len(text)
        assert chunk.title == title
        spans.append((start, end))
    assert all(before[1] <= after[0] for before, after in pairwise(dict.fromkeys(spans)))
