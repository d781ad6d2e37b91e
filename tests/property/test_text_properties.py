"""What holds for every text: cleaning is idempotent and loses nothing but what it names; sentences cover the text."""

import ast
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.application.cleaning import Cleaning, Unicode, Whitespace
from llm_engineering.application.text import Tokenizing
from llm_engineering.application.text.sentences import sentence_spans
from llm_engineering.application.text.spans import lines, paragraphs
from llm_engineering.application.text.words import Forms, pieces, stems, words
from llm_engineering.domain.documents import Document, Format

ANYTHING = st.text(alphabet=st.characters(), max_size=200)  # lone surrogates too
LINES = st.sampled_from(
    [
        "Subscribe", "views", "Sign in", "a sentence. And another", "", " ", "  ", "text  ", "```", "~~~", "    code",
        "---", "===", "# Head", "- item", "- [Share](x)", "\tx \t", "\u00a0", "e\u0301", "\ufeff", "\x0c", "> ```",
        "© 2024 x", "Like",
    ]
)  # fmt: skip
DOCUMENTS = st.one_of(ANYTHING, st.lists(st.one_of(LINES, ANYTHING), max_size=20).map("\n".join))
FORMATS: st.SearchStrategy[Format] = st.sampled_from(["markdown", "text", "code", "record"])


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, FORMATS)
def test_cleaning_what_is_clean_changes_nothing(text: str, format: Format) -> None:
    cleaned = Cleaning().clean(Document("file:///a", "test", format, text, title=text))
    again = Cleaning().clean(Document("file:///a", "test", format, cleaned.text, title=cleaned.title))
    assert (again.text, again.title) == (cleaned.text, cleaned.title)
    f"{cleaned.title}{cleaned.text}".encode()


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, FORMATS)
def test_only_blanks_are_lost_without_boilerplate(text: str, format: Format) -> None:
    readable = Unicode().clean(text, format)
    cleaned = Cleaning(cleaners=(Unicode(), Whitespace())).clean_text(text, format)
    assert "".join(cleaned.split()) == "".join(readable.split())


@st.composite
def modules(draw: st.DrawFn) -> str:
    tab = draw(st.sampled_from(["\t", "    ", " "]))
    made = draw(
        st.lists(st.sampled_from(["x = 1  ", "s = '''Subscribe\n\n\n\n  ```'''", "# Sign in", "y = 'é'"]), min_size=1)
    )
    body = "\n".join(f"{tab}{line}" for line in made)
    return f"def f():\n{tab}pass\n{body}\n\n\n\n\nf()\n"


@given(modules())
def test_a_python_file_means_the_same_after_cleaning(text: str) -> None:
    assert ast.dump(ast.parse(Cleaning().clean_text(text, "code"))) == ast.dump(ast.parse(text))


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS)
def test_sentences_cover_all_that_is_not_white_space(text: str) -> None:
    spans = list(sentence_spans(text))
    assert all(text[start:end].strip() == text[start:end] != "" for start, end in spans)
    assert all(before.end <= after.start for before, after in pairwise(spans))
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())


@given(DOCUMENTS)
def test_lines_and_paragraphs_tile_the_text(text: str) -> None:
    for divide in (lines, paragraphs):
        assert "".join(text[start:end] for start, end in divide(text, 0, len(text))) == text


@given(st.text(max_size=200))
def test_words_stand_in_the_text_and_vectors_are_well_formed(text: str) -> None:
    position = 0
    for word in words(text):
        position = text.index(word, position) + len(word)
    vector = Tokenizing().sparse(text)
    assert list(vector.indices) == sorted(set(vector.indices))
    assert all(0 <= index < 2**32 for index in vector.indices)
    assert all(0 < value < 1000 for value in vector.values)
    assert Tokenizing().query(text).indices == vector.indices


TEXTS = st.text() | st.text("aZ09_.'+#cCfF- \n") | st.sampled_from(["x" * 50 + " running", "走" * 60, "l'homme runs"])


@given(texts=st.lists(TEXTS, min_size=1, max_size=5), limit=st.integers(0, 20), asked=st.lists(st.sampled_from("axf")))
def test_stems_found_by_known_forms_are_the_stems_of_the_text(texts: list[str], limit: int, asked: list[str]) -> None:
    for language in ("english", "french"):
        forms = Forms(language)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("llm_engineering.application.text.words._FORMS", limit)
            for first in range(len(texts)):
                there = [frozenset(stems(text, language)) for text in texts[first:]]
                wanted = [*asked, *sorted(there[0])[:20]]
                found = forms.among([pieces(text) for text in texts[first:]], wanted)
                assert found == [some.intersection(wanted) for some in there]


@given(text=TEXTS)
def test_ascii_has_words_like_any_text(text: str) -> None:
    # A letter of another script far behind turns the pattern for ASCII off.
    assert words(f"{text}\n\né")[:-1] == words(text)
