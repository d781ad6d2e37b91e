"""What of a stranger's text could disguise it, on a page or in a terminal."""

import re

# Signs that turn the direction of what follows (embeddings, overrides, isolates), and make a text look like another.
# Marks that scripts and emoji need (joiners, left-to-right and right-to-left marks) turn nothing round.
TURNING = re.compile("([\u202a-\u202e\u2066-\u2069])")
# These, what steers terminals (control characters but for tab and line ends), and halves of characters.
_DECEIVING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """Return a text in which each sign that could disguise it is the replacement character.

    >>> ascii(visible("invoice\\u202efdp.exe"))
    "'invoice\\\\ufffdfdp.exe'"
    """
    return _DECEIVING.sub("\ufffd", text)
