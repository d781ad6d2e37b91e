"""Tells pages that only look like documents from documents: block pages, paywalls, soft 404s, empty pages.

Words alone do not decide: an article about captchas holds more of them than a captcha page. What decides is whether a
short page speaks to its visitor, in a title or a line of its own, about its own refusal. A long text is a document.
"""

import re

from llm_engineering.infrastructure.parsers.page import Verdict
from llm_engineering.infrastructure.parsers.paywalls import says_not_free
from llm_engineering.infrastructure.parsers.phrases import (
    BLOCK_PROMPTS,
    BLOCK_TITLES,
    BLOCK_WORDS,
    NEEDS_JAVASCRIPT,
    NOT_FOUND_PROMPTS,
    NOT_FOUND_TITLES,
    PAYWALL_PROMPTS,
    plain,
)
from llm_engineering.infrastructure.parsers.visible import Block, VisiblePage

# The longest text of each kind, in characters.
_BLOCK_PAGE = 1500
_BLOCK_PAGE_WITH_ARTICLE_METADATA = 600
_TEASER = 3000
_NOT_FOUND_PAGE = 1000
_BARE_PAGE = 300
_SHELL = 200
_LINE = 240

_ARTICLE_META = frozenset({"article:published_time", "article:modified_time", "article:author", "datepublished"})
_TITLE_PARTS = re.compile(r"\s+[|\-–—·•»:]+\s+|\s*[|»]\s*|:\s+")
_SENTENCE_ENDS = re.compile(r"(?<=[.!?。！？])\s+|\n")
_QUOTES = frozenset("\"'“”‘’«»„`「」")


def judge(visible: VisiblePage, text: str) -> Verdict | None:
    """Return why the page is no document, or None. `text` is the content that would be stored."""
    return _blocked(visible) or _paywall(visible, text) or _not_found(visible, text) or _empty(visible, text)


def _blocked(visible: VisiblePage) -> Verdict | None:
    is_article = _has_article_metadata(visible)
    size = sum(_size(block.text) for block in visible.content)
    if size > (_BLOCK_PAGE_WITH_ARTICLE_METADATA if is_article else _BLOCK_PAGE):
        return None
    if size < _SHELL and NEEDS_JAVASCRIPT.match(plain(visible.noscript[:2000])):
        return Verdict("blocked", f"the page shows its content only to JavaScript: {_quoted(visible.noscript)}")
    title = _title(visible, BLOCK_TITLES)
    prompt = _prompt(visible.blocks, BLOCK_PROMPTS, longest=_BLOCK_PAGE, least=0.0)
    if not (title or prompt) or (is_article and not title):
        return None
    needed = 0.3 if title else 0.4 if size < _SHELL else 0.55
    if (title and prompt) or _share_about_refusal(visible) >= needed:
        return Verdict("blocked", f"a block page, not the document: {_quoted(prompt or title)}")
    return None


def _paywall(visible: VisiblePage, text: str) -> Verdict | None:
    if says_not_free(visible.json_ld, visible.meta):
        return Verdict("paywall", "the publisher declares that the page is not free (schema.org isAccessibleForFree)")
    lines = [block for block in visible.blocks if block.chrome != "semantic"]
    prompt = _prompt(lines, PAYWALL_PROMPTS) if _size(text) <= _TEASER else ""
    return Verdict("paywall", f"only a teaser is shown: {_quoted(prompt)}") if prompt else None


def _not_found(visible: VisiblePage, text: str) -> Verdict | None:
    size = _size(text)
    if size > _NOT_FOUND_PAGE:
        return None
    title = _title(visible, NOT_FOUND_TITLES)
    prompt = _prompt(visible.content, NOT_FOUND_PROMPTS)
    is_bare = size <= _BARE_PAGE and not _has_article_metadata(visible)
    if (title and prompt) or (is_bare and (title or prompt)):
        detail = f"the page says that there is none, with a status of success: {_quoted(prompt or title)}"
        return Verdict("not_found", detail)
    return None


def _empty(visible: VisiblePage, text: str) -> Verdict | None:
    if any(character.isalnum() for character in text):
        return None
    return Verdict("empty", f"the page shows {'nothing but navigation' if visible.blocks else 'no text at all'}")


def _title(visible: VisiblePage, pattern: re.Pattern[str]) -> str:
    """Return the title or heading that the pattern matches as a whole or in a part: of "404 | My Shop" the "404"."""
    wholes = [plain(text) for text in (visible.title, *visible.headings[:3]) if len(text) <= _LINE]
    parts = (part.strip(" .!…?#") for whole in wholes for part in (whole, *_TITLE_PARTS.split(whole)))
    return next((part for part in parts if part and pattern.fullmatch(part)), "")


def _prompt(blocks: list[Block], pattern: re.Pattern[str], *, longest: int = _LINE, least: float = 0.15) -> str:
    """Return the first short block that says the phrase itself: not in quotation marks, and about little else."""
    for block in blocks:
        line = plain(block.text) if len(block.text) <= longest else ""
        for match in pattern.finditer(line):
            around = {line[: match.start()].rstrip()[-1:], line[match.end() :].lstrip()[:1]}
            if around.isdisjoint(_QUOTES) and len(match.group()) >= least * len(line):
                return block.text
    return ""


def _share_about_refusal(visible: VisiblePage) -> float:
    """Return the share of the text that stands in sentences with a word of which block pages are made."""
    sentences = [sentence for block in visible.blocks for sentence in _SENTENCE_ENDS.split(block.text.lower())]
    total = sum(map(len, sentences))
    return sum(len(sentence) for sentence in sentences if BLOCK_WORDS.search(sentence)) / total if total else 0.0


def _has_article_metadata(visible: VisiblePage) -> bool:
    is_article = visible.meta.get("og:type", "").lower() in ("article", "blog", "book")
    return is_article or not _ARTICLE_META.isdisjoint(visible.meta)


def _size(text: str) -> int:
    """Return the length, that of East Asian scripts doubled: they say as much in half as many characters."""
    return len(text) + sum(character >= "\u2e80" for character in text)


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line[:120]}{'…' if len(line) > 120 else ''}”"
