import pytest

from llm_engineering.application.text.characters import cluster_start
from llm_engineering.application.text.markdown import Block, parse_markdown
from llm_engineering.application.text.sentences import sentences
from llm_engineering.application.text.spans import lines, paragraphs, trim


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It costs 3.14 dollars. Cheap.", ["It costs 3.14 dollars.", "Cheap."]),
        ("Dr. J. Smith met Mr. Lee. They left.", ["Dr. J. Smith met Mr. Lee.", "They left."]),
        ("Use a tool, e.g. Make. See No. 5. No. Not so.", ["Use a tool, e.g. Make.", "See No. 5.", "No.", "Not so."]),
        ("Apples, pears, etc. are fruit. Good.", ["Apples, pears, etc. are fruit.", "Good."]),
        ("Read https://a.b/c.d?e=f!g. Then v1.2.3 of a.py.", ["Read https://a.b/c.d?e=f!g.", "Then v1.2.3 of a.py."]),
        ("Wait... what? Well… Yes.", ["Wait... what?", "Well…", "Yes."]),
        ('"Really?" she asked. "Yes!" He left.', ['"Really?" she asked.', '"Yes!"', "He left."]),
        ("1. Install it. 2. Run it.", ["1. Install it.", "2. Run it."]),
        ("It is 3.5 m. Then it ends.", ["It is 3.5 m.", "Then it ends."]),
        ("It was 2019. Then 2020.", ["It was 2019.", "Then 2020."]),
        ("今日は晴れ。散歩しよう！本当？はい", ["今日は晴れ。", "散歩しよう！", "本当？", "はい"]),
        ("यह है। वह था॥", ["यह है।", "वह था॥"]),
        ("مرحبا؟ نعم۔ لا", ["مرحبا؟", "نعم۔", "لا"]),
        ("Это т.е. так. Он — А. С. Пушкин. Да!", ["Это т.е. так.", "Он — А. С. Пушкин.", "Да!"]),
        ("¿Qué? ¡Sí! Bien.", ["¿Qué?", "¡Sí!", "Bien."]),
        ("A title\n\nA wrapped\nsentence.", ["A title", "A wrapped\nsentence."]),
        ("Items:\n- one\n- two\n3) three", ["Items:", "- one", "- two", "3) three"]),
        ("", []),
        (" \n\t ", []),
        ("...", ["..."]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("abc", 2, 2),
        ("xe\u0301b", 2, 1),
        ("x👩‍👩‍👧y", 4, 1),
        ("x👍🏽", 2, 1),
        ("🇩🇪🇫🇷", 3, 2),
        ("🇩🇪🇫🇷", 2, 2),
        ("xa\r\nb", 3, 2),
        ("x\u1100\u1161\u11a8", 3, 1),
    ],
)
def test_a_cut_moves_before_the_character_it_would_split(text: str, at: int, expected: int) -> None:
    assert cluster_start(text, 0, at) == expected


def test_a_cut_deep_inside_endless_marks_stays_where_it_is() -> None:
    assert cluster_start("a" + "\u0301" * 500, 0, 300) == 300


def test_trimming_keeps_the_indentation_of_the_first_line() -> None:
    text = "\n\n    indented\n  \n"
    assert text[slice(*trim(text, 0, len(text)))] == "    indented"
    assert trim("a  b", 1, 4) == (3, 4)
    assert trim("   ", 0, 3) == (3, 3)


def test_lines_and_paragraphs_cover_the_text() -> None:
    text = "a\r\nb\rc\n\n \n\nd"
    assert "".join(text[start:end] for start, end in lines(text, 0, len(text))) == text
    text = "a\nb\n \nc"
    assert [text[start:end] for start, end in paragraphs(text, 0, len(text))] == ["a\nb\n \n", "c"]


MARKDOWN = """---
title: x
---
# Head `one`

A *paragraph*
of two lines.

- item
  - nested

```python
# no heading
```

| a | b |
|---|---|
| 1 | 2 |

Setext [link](http://x.y)
=====

[a]: http://x.y

<div>
raw
</div>
"""


def test_markdown_blocks_have_kinds_and_offsets() -> None:
    blocks = parse_markdown(MARKDOWN)
    assert [block.kind for block in blocks] == [
        "front_matter", "heading", "paragraph", "bullet_list", "fence", "table", "heading", "paragraph", "html_block",
    ]  # fmt: skip
    assert [(block.level, block.title) for block in blocks if block.kind == "heading"] == [
        (1, "Head one"),
        (1, "Setext link"),
    ]
    assert of_kind(blocks, "fence") == "```python\n# no heading\n```\n"
    assert of_kind(blocks, "paragraph") == "A *paragraph*\nof two lines.\n"


def test_lists_and_tables_have_children() -> None:
    blocks = {block.kind: block for block in parse_markdown(MARKDOWN)}
    assert [child.kind for child in blocks["bullet_list"].children] == ["list_item"]
    rows = [MARKDOWN[row.start : row.end] for row in blocks["table"].children]
    assert rows == ["| a | b |\n", "| 1 | 2 |\n"]


@pytest.mark.parametrize("text", ["", "\n\n", "---\nno end of front matter", "```\nnever closed", "> " * 200 + "a"])
def test_odd_markdown_keeps_its_blocks_inside_the_text(text: str) -> None:
    for block in parse_markdown(text):
        assert 0 <= block.start <= block.end <= len(text)


def of_kind(blocks: list[Block], kind: str) -> str:
    block = next(block for block in blocks if block.kind == kind)
    return MARKDOWN[block.start : block.end]
