"""Lines that are read from the right, whichever way PDFium hands them over."""

import pytest
from source_files import needs_pdf, pdf

from llm_engineering.infrastructure.parsers.formats.pdf import read_pdf
from llm_engineering.infrastructure.parsers.formats.pdf_direction import as_read, is_from_right


def seen(text: str) -> tuple[str, list[float]]:
    """Return a line and where its characters stand, if each is as wide as the next one."""
    return text, [float(place) for place in range(len(text))]


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("ملاعلاب ابحرم", "مرحبا بالعالم"),
        (".םלוע םולש", "שלום עולם."),
        ("42 רפסמ (ןטק) ןחבמ", "מבחן (קטן) מספר 42"),
        ("Wikipedia 2024 םלועה יגד לש ךרע", "ערך של דגי העולם Wikipedia 2024"),
        ("English with םלוע םולש inside", "English with שלום עולם inside"),
    ],
)
def test_a_line_that_is_given_as_it_is_seen_is_turned_to_be_read(shown: str, read: str) -> None:
    assert is_from_right(shown)
    assert as_read(*seen(shown)) == read


def test_a_line_that_is_given_as_it_is_read_stays_and_so_does_one_whose_letters_stand_nowhere() -> None:
    read = "שלום עולם, זה מבחן"
    assert as_read(read, [float(-place) for place in range(len(read))]) == read
    assert as_read("םולש", [None] * 4) == "םולש"


def test_a_ligature_keeps_the_order_of_its_letters() -> None:
    assert as_read("ملاس", [0.0, 1.0, 1.0, 2.0]) == "سلام"
    assert not is_from_right("cod and eel")


@pytest.mark.parametrize(
    ("shown", "read"),
    [("ملاعلاب ابحرم", "مرحبا بالعالم"), ("English with םלוע םולש inside", "English with שלום עולם inside")],
)
def test_a_page_is_read_from_the_right_where_its_letters_are(shown: str, read: str) -> None:
    needs_pdf()
    from_right = dict.fromkeys(letter for letter in shown if is_from_right(letter))
    drawn = {letter: chr(33 + number) for number, letter in enumerate(from_right)}
    raw = pdf(
        [("".join(drawn.get(letter, letter) for letter in shown), 11)],
        meanings={sign: letter for letter, sign in drawn.items()},
    )
    assert read_pdf(raw)["pages"] == [read]
