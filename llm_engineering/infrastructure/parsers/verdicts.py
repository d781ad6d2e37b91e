"""Tells pages that only look like documents from documents: block pages, paywalls, soft 404s, walls, empty pages.

Words alone do not decide: an article about captchas holds more of them than a captcha page. What decides is whether a
short page speaks to its visitor, in a title or a line of its own, about its own refusal. A long text is a document.
"""

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
from llm_engineering.infrastructure.parsers.signs import (
    has_article_metadata,
    prompt_sign,
    quoted,
    share,
    size_of,
    title_sign,
)
from llm_engineering.infrastructure.parsers.visible import VisiblePage
from llm_engineering.infrastructure.parsers.walls import wall

# The longest text of each kind, in characters.
_BLOCK_PAGE = 1500
_BLOCK_PAGE_WITH_ARTICLE_METADATA = 600
_TEASER = 3000
_NOT_FOUND_PAGE = 1000
_BARE_PAGE = 300
_SHELL = 200


def judge(visible: VisiblePage, text: str) -> Verdict | None:
    """Return why the page is no document, or None. `text` is the content that would be stored."""
    return (
        _blocked(visible)
        or _paywall(visible, text)
        or _not_found(visible, text)
        or wall(visible)
        or _empty(visible, text)
    )


def _blocked(visible: VisiblePage) -> Verdict | None:
    is_article = has_article_metadata(visible)
    size = sum(size_of(block.text) for block in visible.content)
    if size > (_BLOCK_PAGE_WITH_ARTICLE_METADATA if is_article else _BLOCK_PAGE):
        return None
    if size < _SHELL and NEEDS_JAVASCRIPT.match(plain(visible.noscript[:2000])):
        return Verdict("blocked", f"the page shows its content only to JavaScript: {quoted(visible.noscript)}")
    title = title_sign(visible, BLOCK_TITLES)
    prompt = prompt_sign(visible.blocks, BLOCK_PROMPTS, longest=_BLOCK_PAGE, least=0.0)
    if not (title or prompt) or (is_article and not title):
        return None
    needed = 0.3 if title else 0.4 if size < _SHELL else 0.55
    if (title and prompt) or share(visible.blocks, BLOCK_WORDS) >= needed:
        return Verdict("blocked", f"a block page, not the document: {quoted(prompt or title)}")
    return None


def _paywall(visible: VisiblePage, text: str) -> Verdict | None:
    if says_not_free(visible.json_ld, visible.meta):
        return Verdict("paywall", "the publisher declares that the page is not free (schema.org isAccessibleForFree)")
    lines = [block for block in visible.blocks if block.chrome != "semantic"]
    prompt = prompt_sign(lines, PAYWALL_PROMPTS) if size_of(text) <= _TEASER else ""
    return Verdict("paywall", f"only a teaser is shown: {quoted(prompt)}") if prompt else None


def _not_found(visible: VisiblePage, text: str) -> Verdict | None:
    size = size_of(text)
    if size > _NOT_FOUND_PAGE:
        return None
    title = title_sign(visible, NOT_FOUND_TITLES)
    prompt = prompt_sign(visible.content, NOT_FOUND_PROMPTS)
    is_bare = size <= _BARE_PAGE and not has_article_metadata(visible)
    if (title and prompt) or (is_bare and (title or prompt)):
        detail = f"the page says that there is none, with a status of success: {quoted(prompt or title)}"
        return Verdict("not_found", detail)
    return None


def _empty(visible: VisiblePage, text: str) -> Verdict | None:
    if any(character.isalnum() for character in text):
        return None
    return Verdict("empty", f"the page shows {'nothing but navigation' if visible.blocks else 'no text at all'}")
