"""Signs by which a page shows what it is: phrases in titles and lines of their own, and shares of its sentences."""

import re

from llm_engineering.infrastructure.parsers.phrases import plain
from llm_engineering.infrastructure.parsers.visible import Block, VisiblePage

_LINE = 240
_ARTICLE_META = frozenset({"article:published_time", "article:modified_time", "article:author", "datepublished"})
_TITLE_PARTS = re.compile(r"\s+[|\-–—·•»:]+\s+|\s*[|»]\s*|:\s+")
_SENTENCE_ENDS = re.compile(r"(?<=[.!?。！？])\s+|\n")
_QUOTES = frozenset("\"'“”‘’«»„`「」")


def title_sign(visible: VisiblePage, pattern: re.Pattern[str]) -> str:
    """Return the title or heading that the pattern matches as a whole or in a part: of "404 | My Shop" the "404"."""
    wholes = [plain(text) for text in (visible.title, *visible.headings[:3]) if len(text) <= _LINE]
    parts = (part.strip(" .!…?#") for whole in wholes for part in (whole, *_TITLE_PARTS.split(whole)))
    return next((part for part in parts if part and pattern.fullmatch(part)), "")


def prompt_sign(blocks: list[Block], pattern: re.Pattern[str], *, longest: int = _LINE, least: float = 0.15) -> str:
    """Return the first short block that says the phrase itself: not in quotation marks, and about little else."""
    for block in blocks:
        line = plain(block.text) if len(block.text) <= longest else ""
        for match in pattern.finditer(line):
            around = {line[: match.start()].rstrip()[-1:], line[match.end() :].lstrip()[:1]}
            if around.isdisjoint(_QUOTES) and len(match.group()) >= least * len(line):
                return block.text
    return ""


def lengths(blocks: list[Block], words: re.Pattern[str]) -> tuple[int, int]:
    """Return how many characters stand in sentences with one of the words, and how many in all others."""
    about = others = 0
    for block in blocks:
        for sentence in _SENTENCE_ENDS.split(block.text):
            if words.search(plain(sentence)):
                about += len(sentence)
            else:
                others += len(sentence)
    return about, others


def share(blocks: list[Block], words: re.Pattern[str]) -> float:
    """Return the share of the text that stands in sentences with one of the words."""
    about, others = lengths(blocks, words)
    return about / (about + others) if about else 0.0


def has_article_metadata(visible: VisiblePage) -> bool:
    """Tell whether the head declares an article."""
    is_article = visible.meta.get("og:type", "").lower() in ("article", "blog", "book")
    return is_article or not _ARTICLE_META.isdisjoint(visible.meta)


def size_of(text: str) -> int:
    """Return the length, that of East Asian scripts doubled: they say as much in half as many characters."""
    return len(text) + sum(character >= "\u2e80" for character in text)


def quoted(text: str) -> str:
    """Return the beginning of a text in quotation marks, for a person to read."""
    line = " ".join(text.split())
    return f"“{line[:120]}{'…' if len(line) > 120 else ''}”"
