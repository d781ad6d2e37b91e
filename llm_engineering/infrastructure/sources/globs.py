"""Patterns for paths: `*` and `?` within a name, `**` across folders, `[abc]`; upper and lower case are the same.

So are the ways to write an accent: a pattern is typed as one character, a name from a Mac has two.

A pattern without a slash holds for names in every folder (`*.md`, `node_modules`); one with a slash starts at the root
(`docs/**/*.md`, `/README.md`).
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from unicodedata import normalize


def matches_any(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether a relative path, with forward slashes, matches one of the patterns as a whole."""
    return _compiled(tuple(patterns)).fullmatch(normalize("NFC", path)) is not None


def is_below_any(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether the path, or one of the folders that it lies in, matches one of the patterns."""
    patterns = tuple(patterns)
    ends = [index for index, character in enumerate(path) if character == "/"] + [len(path)]
    return any(matches_any(path[:end], patterns) for end in ends)


@lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    whole = "|".join(map(_translated, patterns)) or r"(?!)"  # no pattern matches nothing
    return re.compile(whole, re.IGNORECASE | re.DOTALL)


def _translated(pattern: str) -> str:
    plain = normalize("NFC", pattern).removeprefix("./").removesuffix("/")
    anchored = plain.removeprefix("/") if "/" in plain else f"**/{plain}"
    return "".join(map(_as_regex, re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]|[^*?\[]+|\[", anchored)))


def _as_regex(token: str) -> str:
    simple = {"**/": "(?:[^/]*/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in simple:
        return simple[token]
    if token.startswith("[") and token.endswith("]") and len(token) > 2:
        inner = token[1:-1].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
        return f"[^{inner[1:]}/]" if inner.startswith("!") else f"[{inner}]"
    return re.escape(token)
