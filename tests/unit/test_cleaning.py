import ast
import time

import pytest
from pydantic import ValidationError

from llm_engineering.application.cleaning import Boilerplate, Cleaning, Unicode, Whitespace
from llm_engineering.domain.documents import Document, Format

PYTHON = (
    'def f():\n\tif True:   \n\t\treturn """a\n\n\n\n   b"""\n\n\n\n\n# Subscribe\nSubscribe = 1\nSubscribe\nx = f()\n'
)


def document(text: str, format: Format = "markdown", title: str = "") -> Document:
    return Document("file:///a.md", "test", format, text, title, metadata={"path": "a.md"})


def test_a_cleaned_document_keeps_its_identity() -> None:
    original = document("# A \r\n\r\nText\x00.  ", title=" A\x00 \n title ")
    cleaned = Cleaning().clean(original)
    assert cleaned.text == "# A\n\nText."
    assert cleaned.title == "A title"
    assert (cleaned.id, cleaned.uri, cleaned.source) == (original.id, original.uri, original.source)
    assert (cleaned.content_hash, cleaned.metadata) == (original.content_hash, original.metadata)


def test_a_python_file_still_parses_and_keeps_its_tabs() -> None:
    cleaned = Cleaning().clean(document(PYTHON, "code")).text
    assert cleaned == PYTHON
    assert ast.dump(ast.parse(cleaned)) == ast.dump(ast.parse(PYTHON))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\ufeffa\r\nb\rc", "a\nb\nc"),
        ("a\x00b\x07c\x7fd\x9fe", "abcde"),
        ("e\u0301", "é"),
        ("a\ud800b", "ab"),
        ("\ud83d\ude00", "😀"),
        ("a\u2028b\x0cc\x85d", "a\nb\nc\nd"),
        ("soft\u00adhyphen", "softhyphen"),
        ("👩‍👩‍👧 می‌روم क्ष", "👩‍👩‍👧 می‌روم क्ष"),
        ("tab\tand\nline", "tab\tand\nline"),
    ],
)
def test_unicode_is_brought_into_one_form(text: str, expected: str) -> None:
    assert Unicode().clean(text, "text") == expected


def test_endless_marks_cost_no_quadratic_time() -> None:
    text = "a" + "\u0300\u0316" * 100_000
    start = time.process_time()
    assert Unicode().clean(text, "text") == text
    assert time.process_time() - start < 2  # in canonical order: minutes


def test_white_space_keeps_line_breaks_of_markdown_and_all_of_a_fence() -> None:
    text = "\n\na  \nb   \n\n\n\n\nc\t\n```\nx  \n\n\n\n\ny\n```\nend  \n\n"
    cleaned = Whitespace().clean(text, "markdown")
    assert cleaned == "a  \nb\n\n\nc\n```\nx  \n\n\n\n\ny\n```\nend"
    assert Whitespace().clean("a  \nb", "text") == "a\nb"


DROPPED = [
    "Subscribe", "Sign in", "Share this post", "Like", "Comment", "12 Likes", "Subscribe to our newsletter",
    "[Subscribe](https://a.b/c)", "* [Sign in](/login)", "**Share on Twitter, Facebook and LinkedIn**",
    "Thanks for reading Ada's letter! Subscribe for free to receive new posts and support my work.",
    "This website uses cookies to improve your experience.", "Accept all cookies", "Accept all | Reject all",
    "© 2024 Ada Lovelace", "Copyright 2023 The Company. All rights reserved.", "Home > Docs > Install",
    "Skip to main content", "Back to top ↑", "Read more →", "5 min read", "Type your email…", "Subscribe Sign in",
    "Privacy Policy | Terms of Service", "Leave a comment", "Related articles", "Sign up for our weekly newsletter!",
]  # fmt: skip

KEPT = [
    "You can subscribe to an event with `client.subscribe()`.", "Subscribe to the topic before you publish.",
    "Sign in to the console and open the billing page.", "Share this folder with your team before you begin.",
    "Cookies are set by the server and read by the browser.", "Copyright law differs between countries.",
    "Like many people, I comment on code.", "The newsletter of the society was printed in Leipzig.", "# Sign in",
    "1. Sign in", "- Share", "| Like | Comment |", "    Subscribe", "Home is where the heart is.",
    "Follow the steps below.", "Comment your code.", "Home/End keys move the cursor", "https://a.b/subscribe",
]  # fmt: skip


@pytest.mark.parametrize("line", DROPPED)
def test_boilerplate_goes(line: str) -> None:
    text = f"First paragraph.\n\n{line}\n\nLast paragraph."
    assert Cleaning().clean(document(text)).text == "First paragraph.\n\n\nLast paragraph."
    assert Boilerplate().clean(text, "code") == Boilerplate().clean(text, "record") == text


@pytest.mark.parametrize("line", KEPT)
def test_what_only_mentions_the_words_stays(line: str) -> None:
    text = f"First paragraph.\n\n{line}\n\nLast paragraph."
    assert Cleaning().clean(document(text)).text == text


def test_boilerplate_words_stay_in_code_headings_and_the_middle_of_a_sentence() -> None:
    for text in ("```\nSubscribe\n```", "Subscribe\n=========", "they counted the\nviews", "~~~\nSign in"):
        assert Boilerplate().clean(text, "markdown") == text


def test_a_long_line_is_never_boilerplate() -> None:
    line = "We use cookies " + "and explain why we do so " * 10
    assert Boilerplate().clean(line, "text") == line
    assert Boilerplate(max_length=1000).clean(line, "text") == ""


def test_patterns_can_be_added_and_the_defaults_left_out() -> None:
    own = Boilerplate(patterns=(r"abonnieren.*",), use_defaults=False)
    assert own.clean("Abonnieren Sie uns\nSubscribe", "text") == "Subscribe"
    assert Boilerplate(patterns=(r"abonnieren.*",)).clean("Abonnieren Sie uns\nSubscribe\nx", "text") == "x"
    assert Boilerplate(use_defaults=False).clean("Subscribe", "text") == "Subscribe"


def test_a_broken_pattern_is_refused_with_its_text() -> None:
    with pytest.raises(ValidationError, match=r"'\(' is no regular expression"):
        Boilerplate(patterns=("(",))


def test_cleaners_are_chosen_in_the_configuration() -> None:
    cleaning = Cleaning.model_validate({"cleaners": [{"kind": "whitespace", "max_blank_lines": 1}]})
    assert cleaning.clean(document("Subscribe\n\n\n\nb ")).text == "Subscribe\n\nb"
    assert Cleaning(cleaners=()).clean(document(" a ")).text == " a "
    with pytest.raises(ValidationError):
        Cleaning.model_validate({"cleaners": [{"kind": "bleach"}]})


def test_a_document_of_boilerplate_alone_becomes_empty() -> None:
    assert Cleaning().clean(document("Subscribe\n\nSign in\n")).text == ""
