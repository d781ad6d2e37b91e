"""Entities by how they are written, without a model: names, identifiers, headings; and the targets of links."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urldefrag, urljoin

from llm_engineering.application.cleaning.code_lines import mark_code
from llm_engineering.application.text.tokenizing import ENGLISH_STOP_WORDS

LONGEST_NAME, MOST_WORDS, LONGEST_TEXT, LONGEST_LINK = 80, 5, 100_000, 2_000
_TOKEN = re.compile(r"[^\W_][\w'’-]{0,79}|[.!?:;•|#>*\n(\[\"“]")
_CODE = re.compile(r"`([^`\n]{2,60})`")
_IDENTIFIER = re.compile(
    r"\b(?:[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+|[a-z][a-z0-9]*(?:[A-Z][a-z0-9]+)+|[^\W_]{1,40}(?:_[^\W_]{1,40}){1,8}"
    r"|[A-Z][A-Z0-9]{1,9})\b"
)
_NAME_OF_CODE = re.compile(r"[\w./:@-]+(?:\(\))?")
_LINK = re.compile(r"\]\(\s{0,9}<?([^()\s<>]{1,2000})")
# Words that join the parts of a name, never its ends.
_INNER = frozenset({"of", "the", "for", "de", "du", "la", "von", "van", "der", "des"})
# Words that are capitalised for their place and not for what they name.
_COMMON_WORDS = """
i a an the this that these those it its he she we you they his her our your their my if when while where what why how
who which there here then so but and or nor yet for as at by in on of to from with without not no yes do does did can
could may might must shall should will would is are was were be been has have had see note use used using also only all
any each every some many most more other another one two three first second next last new such both after before during
since until once over under between than because however therefore thus example figure table chapter section page monday
tuesday wednesday thursday friday saturday sunday january february march april june july august september october
november december
"""
_COMMON = ENGLISH_STOP_WORDS | frozenset(_COMMON_WORDS.split())


def entities_in(text: str, *, phrases: bool = True, identifiers: bool = True) -> list[str]:
    """Return the names in a text, in the order in which they come; what repeats comes again.

    >>> entities_in("Ask Ada Lovelace, who uses `plan_index` with Qdrant.")
    ['Ada Lovelace', 'plan_index', 'Qdrant']
    """
    text = text[:LONGEST_TEXT]
    prose = "\n".join("" if is_code else line for line, is_code in mark_code(text.split("\n")))
    found: list[tuple[int, str]] = []
    if identifiers:
        found += [(match.start(), match[1]) for match in _CODE.finditer(prose) if _NAME_OF_CODE.fullmatch(match[1])]
        found += [(match.start(), match[0]) for match in _IDENTIFIER.finditer(prose) if not match[0].isdigit()]
    if phrases:
        found += _phrases(_CODE.sub(lambda match: " " * len(match[0]), prose))
    return [name for _, name in sorted(found) if 1 < len(name) <= LONGEST_NAME and name.casefold() not in _COMMON]


def _phrases(text: str) -> Iterator[tuple[int, str]]:
    """Yield the capitalised names of a text. One word alone counts only inside a sentence."""
    phrase: list[re.Match[str]] = []
    opens, opened = True, True
    for token in _TOKEN.finditer(text):
        word = token[0]
        is_word = word[0].isalnum()
        gap = text[phrase[-1].end() : token.start()] if phrase else ""
        if phrase and (not is_word or gap.strip(" ") or len(gap) > 2 or not (_is_name(word) or word in _INNER)):
            yield from _named(text, phrase, opened)
            phrase = []
        if is_word and (_is_name(word) or (phrase and word in _INNER)):
            if not phrase:
                opened = opens
            phrase.append(token)
        opens = not is_word
    if phrase:
        yield from _named(text, phrase, opened)


def _is_name(word: str) -> bool:
    return word[0].isupper() and len(word) > 1


def _named(text: str, phrase: list[re.Match[str]], opened: bool) -> Iterator[tuple[int, str]]:
    """Yield the name in a run of capitalised words, less what is capitalised for its place alone."""
    words = list(phrase)
    while words and (words[-1][0] in _INNER or words[-1][0].casefold() in _COMMON):
        words.pop()
    while words and (words[0][0].casefold() in _COMMON or (opened and words[0] is phrase[0] and _is_verb(words))):
        words.pop(0)
    alone_at_the_start = opened and len(words) == 1 and words[0] is phrase[0]
    if words and len(words) <= MOST_WORDS and not alone_at_the_start:
        name = text[words[0].start() : words[-1].end()]
        yield words[0].start(), " ".join(name.split()).removesuffix("'s").removesuffix("’s")


def _is_verb(words: Sequence[re.Match[str]]) -> bool:
    """Tell whether the first word of a sentence is one before a name (`Ask Ada Lovelace`): a guess by its length."""
    return len(words) > 2 and len(words[0][0]) <= 3


def headings_in(title: str, context: str) -> list[str]:
    """Return the title and the headings above a passage, as far as they are short enough to be names."""
    lines = [title, *context.split("\n")]
    parts = (
        part.strip(" #*_`>\t") for line in lines[:20] for part in re.split(r"\s+[>›»]\s+", line) if "|" not in part
    )
    names = (" ".join(part.split()) for part in parts)
    good = (one for one in names if 2 < len(one) <= LONGEST_NAME and len(one.split()) <= 8 and one[-1] not in ".?!:")
    return [name for name in dict.fromkeys(good) if name.casefold() not in _COMMON]


def links_in(text: str, uri: str) -> list[str]:
    """Return the addresses that the Markdown links of a text lead to, absolute, without what stands behind a #.

    >>> links_in("See [b](b.md#top) and [c](https://example.org/c).", "file:///docs/a.md")
    ['file:///docs/b.md', 'https://example.org/c']
    """
    found: dict[str, None] = {}
    for match in _LINK.finditer(text[:LONGEST_TEXT]):
        try:
            target = urldefrag(urljoin(uri, match[1])).url
        except ValueError:  # an address that is none, such as one with half an IPv6 host
            continue
        if target and target != urldefrag(uri).url and len(target) <= LONGEST_LINK:
            found.setdefault(target)
    return list(found)
