"""Text as patterns read it: no invisible characters, one kind of digit, letter, blank and dash."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

# A wide, mathematical or small form of a character means that character; superscripts and circled ones mean another.
_SAME = ("<wide>", "<narrow>", "<font>", "<small>")
_ALSO_INVISIBLE = ("\u034f", *map(chr, range(0xFE00, 0xFE10)))  # the grapheme joiner, variation selectors
_CODES = (*range(0x80, 0x20000), *range(0xE0000, 0xE0200))


def plain_form(text: str) -> tuple[str, Sequence[int]]:
    """Return a text as patterns read it, and of each of its characters, and of its end, the offset in the text.

    Where nothing but blanks and dashes apart from any digit would change, the text comes back as it is.

    >>> plain_form("a\u200b＠b")
    ('a@b', [0, 2, 3, 4])
    """
    if text.isascii() or not _hiding().search(text):
        return text, range(len(text) + 1)
    table = _table()
    shown = [offset for offset, character in enumerate(text) if table.get(ord(character)) != ""]
    return text.translate(table), [*shown, len(text)]


@cache
def _hiding() -> "re.Pattern[str]":
    """Match what can keep a pattern from matching; a dash or blank does so between digits alone."""
    harmless = "".join(re.escape(chr(code)) for code, plain in _table().items() if plain in (" ", "-"))
    others = "".join(re.escape(chr(code)) for code, plain in _table().items() if plain not in (" ", "-"))
    return re.compile(rf"[{others}]|(?<=\w)[{harmless}](?=\d)|(?<=\d)[{harmless}](?=\w)")


@cache
def _table() -> dict[int, str]:
    """Return what stands for each character that is not plain. Built once, in about 50 ms."""
    found = {code: _plain(chr(code)) for code in _CODES}
    return {code: plain for code, plain in found.items() if plain != chr(code)}


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf" or character in _ALSO_INVISIBLE:
        return ""
    if category == "Zs":
        return " "
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if unicodedata.decomposition(character).startswith(_SAME):
        form = unicodedata.normalize("NFKC", character)
        return form if len(form) == 1 and form.isascii() else character
    return character
