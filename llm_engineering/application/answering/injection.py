"""Instructions in retrieved text: a passage is data, and one that gives orders is flagged.

Patterns cannot find every injection. What protects is that nothing in an answer leads out (`exits`), that citations
are checked, and that a search returns only what its caller may see.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from llm_engineering.application.answering.orders import ORDERS


def _any_of(orders: Iterable[str], flags: re.RegexFlag) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{order})" for order in orders), flags)


_ORDER = _any_of(ORDERS, re.IGNORECASE)
# Most texts are ASCII. In those, in small letters, nothing has to be folded, and an order without a word in Latin
# letters cannot stand: four times as fast.
_LATIN_WORD = re.compile(r"(?<!\\)[a-z]{3}")
_ASCII_ORDER = _any_of(filter(_LATIN_WORD.search, ORDERS), re.ASCII)
_HIDDEN = re.compile(
    "[\u202a-\u202e\u2066-\u2069]|[\U000e0020-\U000e007f]{2,}|(?:[\u200b-\u200d\u2060-\u2064\ufeff][^\\w]?){4,}"
    r"|<!--(?s:.{0,400}?)\b(?:ignore|instruct|system|assistant|prompt)\b"
    r"|style\s*=\s*[\"'][^\"']*(?:display\s*:\s*none|font-size\s*:\s*0|opacity\s*:\s*0|visibility\s*:\s*hidden)",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[ :]?){20,}")
_SPACED = re.compile(r"\b(?:[a-z][ .\-_*]){6,}[a-z]\b", re.IGNORECASE)
_LOOKALIKE = str.maketrans("аеорсухіјѕԁһοαν0134", "aeopcyxijsdhoavoiea")
_MOST_BLOBS = 20


@lru_cache(maxsize=4_096)
def is_injected(text: str) -> bool:
    """Tell whether a text gives orders to a model, hides something from its reader, or carries orders in code."""
    if _HIDDEN.search(text):
        return True
    read = _read(text)
    return gives_orders(read) or any(gives_orders(decoded) for decoded in _decoded(text))


def gives_orders(read: str) -> bool:
    """Tell whether a text, as a model reads it, holds one of the known orders; letters that look alike are the same."""
    if read.isascii():
        return _ASCII_ORDER.search(read.lower()) is not None
    if _ORDER.search(read):
        return True
    alike = read.lower().translate(_LOOKALIKE)
    return alike != read.lower() and _mixed(read) and _ORDER.search(alike) is not None


def _mixed(text: str) -> bool:
    """Tell whether a word mixes Latin letters with Greek or Cyrillic ones."""
    return re.search(r"[a-zA-Z][\u0370-\u052f]|[\u0370-\u052f][a-zA-Z]", text) is not None


def _read(text: str) -> str:
    """Return a text as a model reads it: normal form, on one line, nothing invisible, spelt-out words joined."""
    text = _TAGS.sub(lambda found: "".join(chr(ord(tag) - 0xE0000) for tag in found[0]), text)
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    text = _SPACED.sub(lambda found: re.sub(r"[ .\-_*]", "", found[0]), text)
    return re.sub(
        r"[*_`~]{1,3}(?=\w)|(?<=\w)[*_`~]{1,3}|[^\S\n]+", lambda found: " " if found[0].isspace() else "", text
    )


def _decoded(text: str) -> list[str]:
    """Return what blobs of base64 or hexadecimal digits hold, where that is text."""
    blobs = [*_BASE64.findall(text)[:_MOST_BLOBS], *_HEX.findall(text)[:_MOST_BLOBS]]
    return [decoded for blob in blobs for decoded in _texts_in(blob)]


def _texts_in(blob: str) -> list[str]:
    found = []
    for decode in (_from_base64, _from_hex):
        try:
            decoded = decode(blob).decode("utf-8")
        except (binascii.Error, ValueError):  # not of this kind
            continue
        if decoded.isprintable() or "\n" in decoded:
            found.append(_read(decoded))
    return found


def _from_base64(blob: str) -> bytes:
    digits = blob.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(digits + "=" * (-len(digits) % 4))


def _from_hex(blob: str) -> bytes:
    return bytes.fromhex(re.sub("[ :]", "", blob))
