"""What single characters are: marks that belong to the character before them, and scripts without spaces."""

import unicodedata
from functools import cache

# Han, kana, Hangul, Thai, Lao, Khmer, Myanmar and Tibetan: a run of these is not one word. The inside of a regular
# expression's [...].
SPACELESS = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Tibetan, Myanmar, Khmer
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff"  # Hangul
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # iteration marks, kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

ZERO_WIDTH_JOINER = "\u200d"
_LONGEST_CLUSTER = 64


@cache
def marks() -> str:
    """Return all combining marks (Mn, Mc, Me), as the inside of a regular expression's [...].

    Python's `\\w` leaves them out, so that it cuts Hindi or Thai words at every vowel sign. Built once, in 15 ms.
    """
    codes = [*range(0x300, 0x20000), *range(0xE0100, 0xE01F0)]
    ranges: list[list[int]] = []
    for code in codes:
        if not unicodedata.category(chr(code)).startswith("M"):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


def cluster_start(text: str, low: int, at: int) -> int:
    """Return the last offset in (low, at] that does not fall inside a character with its marks, an emoji sequence
    or a syllable of jamo. A cluster of more than 64 code points is cut all the same.

    >>> cluster_start("ae\\u0301", 0, 2)
    1
    """
    for offset in range(at, max(low, at - _LONGEST_CLUSTER), -1):
        if offset >= len(text) or not _continues(text, offset):
            return offset
    return at


def _continues(text: str, offset: int) -> bool:
    """Tell whether the character at the offset belongs to the one before it."""
    character, before = text[offset], text[offset - 1]
    if character < "\u0300" and before < "\u0300":
        return character == "\n" and before == "\r"
    return (
        character == ZERO_WIDTH_JOINER
        or before == ZERO_WIDTH_JOINER
        or unicodedata.category(character).startswith("M")
        or "\u1160" <= character <= "\u11ff"  # vowels and finals of a Hangul syllable
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= character <= "\U000e007f"  # tags of a regional flag
        or (_is_flag_letter(character) and _odd_flag_letters_before(text, offset))
    )


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _odd_flag_letters_before(text: str, offset: int) -> bool:
    first = offset
    while first > 0 and offset - first < _LONGEST_CLUSTER and _is_flag_letter(text[first - 1]):
        first -= 1
    return (offset - first) % 2 == 1
