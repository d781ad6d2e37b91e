import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import pytest
from pydantic import TypeAdapter, ValidationError

from llm_engineering.application.chunking import ByFormat, Chunker, Code, Fixed, Markdown, Record, Sentences, passages
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import CleanedDocument, Format, Metadata
from llm_engineering.domain.errors import UsageError


class Characters:
    """A token for each character that is not white space, and one special token."""

    max_tokens = 100
    special_tokens = 1

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return [(index, index + 1) for index, character in enumerate(text) if not character.isspace()]

    def count(self, text: str) -> int:
        return len("".join(text.split())) + 1


class EightPerCharacter(Characters):
    """A model that spells every character out in eight tokens."""

    max_tokens = 8

    def count(self, text: str) -> int:
        return 8 * len(text) + 1


def chunks_of(
    chunker: Chunker, text: str, format: Format = "markdown", title: str = "", metadata: Metadata | None = None
) -> list[Chunk]:
    cleaned = CleanedDocument("doc-id", "file:///a/b.md", "test", format, text, title, "hash", metadata or {})
    return list(chunker.chunk(cleaned, Characters()))


def shown(chunks: list[Chunk]) -> list[tuple[str, str]]:
    return [(chunk.context, chunk.text) for chunk in chunks]


@pytest.mark.parametrize("chunker", [ByFormat(), Record(), Markdown(), Sentences(), Code(), Fixed()])
@pytest.mark.parametrize("text", ["", " \n\t\n "])
def test_a_blank_document_has_no_chunks(chunker: Chunker, text: str) -> None:
    assert chunks_of(chunker, text) == []


def test_a_chunk_carries_its_document() -> None:
    (chunk,) = chunks_of(Sentences(), "Text.", title="Title", metadata={"lang": "en"})
    assert (chunk.document_id, chunk.uri, chunk.source) == ("doc-id", "file:///a/b.md", "test")
    assert (chunk.title, chunk.metadata, chunk.position) == ("Title", {"lang": "en"}, 0)
    assert chunk.embedded_text == "Title\nText."
    assert chunk.tokens == 11


def test_a_section_is_a_chunk_with_the_headings_above_it() -> None:
    text = f"# Guide\n\nIntro.\n\n## Setup\n\n{'s' * 60}\n\n### Linux\n\n{'l' * 60}\n\n## Use\n\n{'u' * 60}"
    assert shown(chunks_of(Markdown(target_tokens=50), text, title="Guide")) == [
        ("", "# Guide\n\nIntro."),
        ("Guide", f"## Setup\n\n{'s' * 60}"),
        ("Guide > Setup", f"### Linux\n\n{'l' * 60}"),
        ("Guide", f"## Use\n\n{'u' * 60}"),
    ]


def test_small_sections_share_a_chunk_with_their_siblings_only() -> None:
    text = "# A\n\n## One\n\naaaa\n\n## Two\n\nbbbb\n\n# B\n\n## Three\n\ncccc"
    assert [chunk.text for chunk in chunks_of(Markdown(target_tokens=20), text)] == [
        "# A\n\n## One\n\naaaa\n\n## Two\n\nbbbb",
        "# B\n\n## Three\n\ncccc",
    ]


def test_a_long_table_is_divided_between_rows_that_know_their_head() -> None:
    rows = [f"| key{number:02} | {'v' * 20} |" for number in range(8)]
    text = "\n".join(["# T", "", "| name | value |", "|---|---|", *rows])
    chunks = chunks_of(Markdown(), text)
    assert len(chunks) > 2
    assert all("| name | value |" in chunk.embedded_text for chunk in chunks)
    assert all(line in rows for chunk in chunks[1:] for line in chunk.text.split("\n"))


def test_a_block_that_fills_the_window_alone_makes_its_context_yield() -> None:
    fence = f"```\n{'x' * 93}\n```"
    chunks = chunks_of(Markdown(), f"{'Text here. ' * 9}\n\n{fence}", title="A title")
    assert chunks[-1].text == fence
    assert (chunks[-1].context, chunks[-1].tokens) == ("", 100)


def test_a_list_stays_with_the_sentence_that_announces_it() -> None:
    text = f"{'Filler. ' * 12}\n\nDo this:\n\n- {'a' * 40}\n- {'b' * 40}"
    chunks = chunks_of(Markdown(), text)
    assert any(chunk.text.startswith("Do this:\n\n- aaa") for chunk in chunks)


def test_headings_in_code_are_no_headings() -> None:
    text = f"# A\n\n```sh\n# not a heading\n```\n\n{'t' * 80}"
    assert [chunk.context for chunk in chunks_of(Markdown(), text, title="T")] == ["T", "T > A"]


def test_a_record_stays_whole_with_its_title_said_once() -> None:
    text = "Can I join?\nYes, you can."
    assert shown(chunks_of(Record(), text, "record", "Can I join?")) == [("", text)]
    assert shown(chunks_of(Record(), "Yes, you can.", "record", "Can I join?")) == [("Can I join?", "Yes, you can.")]


def test_a_long_record_is_divided_at_sentences_with_its_question() -> None:
    text = f"Can I join? Yes. {'First sentence is here. ' * 3}{'Second sentence is here. ' * 3}".strip()
    chunks = chunks_of(Record(context=("course", "title", "missing")), text, "record", "Can I join?", {"course": "ml"})
    assert len(chunks) == 2
    assert [chunk.context for chunk in chunks] == ["ml", "ml > Can I join?"]
    assert all(chunk.text.endswith(".") for chunk in chunks)


def test_sentences_are_put_together_and_none_is_left_over() -> None:
    text = "A sentence of 20 chars. " * 7
    sizes = [chunk.tokens for chunk in chunks_of(Sentences(), text.strip(), "text")]
    assert len(sizes) == 2
    assert min(sizes) >= 100 / 5
    assert len(chunks_of(Sentences(target_tokens=20), text.strip(), "text")) == 7


PYTHON = f'''"""Module."""

import os


# About C.
@decorator
class C:
    """Docs of C."""

    def first(self):
        return {"a" * 50!r}

    # About second.
    def second(self):
        return {"b" * 50!r}


def f(): return 1
'''


def test_python_is_divided_by_definitions() -> None:
    found = shown(chunks_of(Code(target_tokens=30), PYTHON, "code", metadata={"path": "src/c.py"}))
    assert [(context, text.split("\n")[0]) for context, text in found] == [
        ("src/c.py", '"""Module."""'),
        ("src/c.py", "# About C."),
        ("src/c.py > C", "    def first(self):"),
        ("src/c.py > C", "    # About second."),
        ("src/c.py", "def f(): return 1"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "def f(:\n    pass\n" * 20,
        "x = '\\d'\n" * 20,
        "a\x00b\n" * 30,
        "(" * 3000,
        "x" + ".y" * 50_000,
        "class C:\n\tx = 1\n" * 20,
        "# nothing but comments\n" * 20,
    ],
)
def test_what_does_not_parse_is_divided_all_the_same(text: str) -> None:
    chunks = chunks_of(Code(), text, "code", "a.py")
    assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(text.split())


GO = """package main

// Foo does it.
func Foo(a int) int {
\tif a > 1 {
\t\treturn 1
\t} else {
\t\treturn 2
\t}
}

// Bar does more.
func Bar() {
\tfmt.Println("bar")
}
"""


def test_other_languages_are_divided_between_their_top_level_blocks() -> None:
    chunks = chunks_of(Code(target_tokens=10), GO, "code", "main.go")
    assert [chunk.text.split("\n")[0] for chunk in chunks] == ["package main", "// Foo does it.", "// Bar does more."]
    assert all(chunk.context == "main.go" for chunk in chunks)


def test_fixed_windows_overlap() -> None:
    text = " ".join(f"word{number:03}" for number in range(40))
    chunks = chunks_of(Fixed(max_tokens=60, overlap=16), text, "text")
    assert len(chunks) > 4
    for before, after in pairwise(chunks):
        assert after.text.split()[0] in before.text.split()[-2:]
        assert after.end > before.end


def test_by_format_chooses_and_passes_the_window_on() -> None:
    text = "# A\n\nOne sentence. " + "And another. " * 12
    assert chunks_of(ByFormat(), text, "markdown") == chunks_of(Markdown(), text, "markdown")
    assert chunks_of(ByFormat(), text, "record") == chunks_of(Record(), text, "record")
    assert chunks_of(ByFormat(max_tokens=50), text, "text") == chunks_of(Sentences(max_tokens=50), text, "text")
    own = ByFormat(max_tokens=50, text=Fixed(max_tokens=90, overlap=0))
    assert chunks_of(own, text, "text") == chunks_of(Fixed(max_tokens=90, overlap=0), text, "text")


def test_a_smaller_window_is_honoured_and_a_larger_one_refused() -> None:
    text = "Some words here. " * 20
    assert max(chunk.tokens for chunk in chunks_of(Sentences(max_tokens=30), text)) <= 30
    with pytest.raises(UsageError, match="max_tokens is 101, but the embedder reads only 100 tokens"):
        chunks_of(Sentences(max_tokens=101), text)


def test_an_overlap_of_half_a_window_is_refused() -> None:
    with pytest.raises(UsageError, match="overlap is 50 tokens, but a window holds only 99"):
        chunks_of(Fixed(overlap=50), "text")


def test_a_window_too_small_for_one_character_is_refused() -> None:
    cleaned = CleanedDocument("id", "file:///a", "test", "text", "abc", "", "hash", {})
    with pytest.raises(UsageError, match="cannot hold the single character 'a'"):
        list(Sentences().chunk(cleaned, EightPerCharacter()))


def test_a_long_title_leaves_the_text_its_room() -> None:
    chunks = chunks_of(Sentences(), "Some words here. " * 20, title="endless title " * 100)
    assert all(Characters().count(chunk.context) - 1 <= 99 // 4 for chunk in chunks)
    assert all(chunk.context.endswith(("endless", "title")) for chunk in chunks)


def test_settings_are_strict_and_told_apart_by_kind() -> None:
    adapter: TypeAdapter[Chunker] = TypeAdapter(Chunker)
    assert adapter.validate_python({"kind": "fixed", "overlap": 3}) == Fixed(overlap=3)
    assert adapter.validate_python({"kind": "by_format", "text": {"kind": "markdown"}}) == ByFormat(text=Markdown())
    for wrong in ({"kind": "magic"}, {"kind": "fixed", "overlaps": 3}, {"kind": "sentences", "max_tokens": 1}):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


@pytest.mark.parametrize(
    "text", ["word " * 60_000, "a" * 300_000, "漢字" * 30_000, "x = 1\n" * 20_000, "# h\n" * 10_000]
)
def test_the_text_is_encoded_about_twice_whatever_its_shape(text: str) -> None:
    class Counting(Characters):
        read = 0

        def spans(self, text: str) -> Sequence[tuple[int, int]]:
            Counting.read += len(text)
            return super().spans(text)

        def count(self, text: str) -> int:
            Counting.read += len(text)
            return super().count(text)

    for chunker in (Sentences(), Markdown(), Code(), Record()):
        Counting.read = 0
        cleaned = CleanedDocument("id", "file:///a", "test", "text", text, "Title", "hash", {})
        assert sum(len(chunk.text) for chunk in chunker.chunk(cleaned, Counting())) > len(text) / 2
        assert Counting.read < 3.5 * len(text)


def test_an_import_of_ten_thousand_parts_costs_no_memory() -> None:
    text = "import a" + ".b" * 20_000
    tracemalloc.start()
    try:
        chunks = chunks_of(ByFormat(), text, "code", metadata={"path": "x.py"})
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()
    assert sum(len("".join(chunk.text.split())) for chunk in chunks) == len("".join(text.split()))


def test_markdown_of_more_blocks_than_anybody_writes_is_divided_like_text(monkeypatch: pytest.MonkeyPatch) -> None:
    text = ("# Heading\n\n" + "Words stand below it. " * 20 + "\n\n") * 50
    with_headings = chunks_of(Markdown(), text, title="T")
    monkeypatch.setattr("llm_engineering.application.chunking.markdown._MOST_BLOCKS", 100)
    plain = chunks_of(Markdown(), text, title="T")
    assert {chunk.context for chunk in plain} == {"T"} != {chunk.context for chunk in with_headings}
    assert sum(len("".join(chunk.text.split())) for chunk in plain) == len("".join(text.split()))


def test_a_context_that_takes_no_token_is_given_up_too_where_a_passage_does_not_fit() -> None:
    class Weightless:
        text, max_tokens = "word " * 9, 5

        def context(self, parts: object, room: int | None = None) -> tuple[str, int]:
            return "\u200b", 0

        def count(self, text: str) -> int:
            return len(text.split())

    passage = passages.Passage(0, 45, "\u200b", 9)
    assert passages._with_less_context(Weightless(), passage, ("\u200b",)).context == ""  # type: ignore[arg-type]
