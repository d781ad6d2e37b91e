"""One form for every character, and none that a database, a tokenizer or an encoder chokes on."""

import re
import unicodedata
from functools import cache
from typing import Literal

from llm_engineering.application.text.characters import marks
from llm_engineering.domain.documents import Format
from llm_engineering.domain.value import Value

_LINE_BREAKS = re.compile(r"\r\n?")
# Form feed, vertical tab, NEL and Unicode's line and paragraph separators end a line of prose.
_PROSE_LINE_BREAKS = re.compile("[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
_SOFT_HYPHEN = "\u00ad"
_SURROGATES = re.compile("[\ud800-\udfff]")
# Putting n marks on one letter into canonical order takes n² steps (60,000 marks: 10 s). Real text has a handful.
_MOST_MARKS = 64
# All marks are beyond this character: no pattern of the two thousand marks is needed for most texts.
_CAN_HAVE_MANY_MARKS = re.compile(f"[\u0300-\U0010ffff]{{{_MOST_MARKS}}}")


class Unicode(Value):
    """Bring text into NFC and one kind of line break; remove control characters, byte-order marks and surrogates.

    Joiners, emoji sequences, combining marks and direction marks stay. Two halves of a surrogate pair are joined.
    """

    kind: Literal["unicode"] = "unicode"

    def clean(self, text: str, format: Format) -> str:
        text = _LINE_BREAKS.sub("\n", text)
        if format != "code":
            text = _PROSE_LINE_BREAKS.sub("\n", text).replace(_SOFT_HYPHEN, "")
        text = _CONTROLS.sub("", text)
        if _SURROGATES.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
        return text if text.isascii() else _nfc(text)


def _nfc(text: str) -> str:
    if not _CAN_HAVE_MANY_MARKS.search(text):
        return unicodedata.normalize("NFC", text)
    parts = _many_marks().split(text)
    return "".join(part if index % 2 else unicodedata.normalize("NFC", part) for index, part in enumerate(parts))


@cache
def _many_marks() -> "re.Pattern[str]":
    return re.compile(f"([{marks()}]{{{_MOST_MARKS},}})")
