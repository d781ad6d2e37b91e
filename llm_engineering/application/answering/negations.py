"""Negations that stand right beside a quote: a quote that leaves one out says the opposite of its source."""

import re

# Words that deny what follows them.
_BEFORE = re.compile(
    r"(?:^|[^\w])(?:not|never|no|nor|neither|without|cannot|can't|cant|don't|doesn't|didn't|won't|isn't|aren't|wasn't|"
    r"weren't|shouldn't|couldn't|wouldn't|hasn't|haven't|hadn't|mustn't|nicht|nie|niemals|kein|keine|keinen|keiner|"
    r"keinem|keines|ohne|ne|pas|jamais|sans|no|nunca|sin|ni|non|mai|senza|não|nunca|sem|niet|geen|nooit|не|ни|нет|"
    r"без|никогда|nie|bez|değil|لا|لم|لن|ليس|ليست|غير|नहीं|मत)$|(?:不|没|沒|未|无|無|非|勿|莫|别|別)$",
    re.IGNORECASE,
)
# Words that deny what stands before them, where a language puts them at the end.
_AFTER = re.compile(
    r"\s?(?:nicht|niet|pas|değil|नहीं)\b|(?:では|じゃ|で|は|が|も)?(?:ない|ません|なかった|ありません)|\s?(?:지\s)?(?:않|못|아니)",
    re.IGNORECASE,
)
_MARKS = " \t\r\n*_`~\"'“”„‘’«»([「『"


def negated(before: str, after: str) -> bool:
    """Tell whether a negation ends what stands before a quote, or begins what stands after it.

    >>> negated("You do not ", ".")
    True
    """
    return bool(_BEFORE.search(before.rstrip(_MARKS)) or _AFTER.match(after.lstrip("*_`~")))
