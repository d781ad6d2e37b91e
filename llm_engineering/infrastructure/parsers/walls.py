"""Pages that stand in front of a document or in its place: a login, a consent, maintenance, a parked domain.

As with block pages, words alone do not decide: what stands beside them does. An article with a login form, or under a
cookie banner, has text of its own; a wall has next to none.
"""

import re

from llm_engineering.infrastructure.parsers.page import Verdict
from llm_engineering.infrastructure.parsers.phrases import plain
from llm_engineering.infrastructure.parsers.signs import (
    has_article_metadata,
    lengths,
    prompt_sign,
    quoted,
    share,
    size_of,
    title_sign,
)
from llm_engineering.infrastructure.parsers.visible import Block, VisiblePage
from llm_engineering.infrastructure.parsers.wall_phrases import (
    CONSENT_CHOICES,
    CONSENT_TITLES,
    CONSENT_WORDS,
    LOGIN_PROMPTS,
    LOGIN_TITLES,
    LOGIN_WORDS,
    MAINTENANCE_PROMPTS,
    MAINTENANCE_TITLES,
    MAINTENANCE_WORDS,
    PARKED_PROMPTS,
    PARKED_TITLES,
    PARKED_WORDS,
)

# The longest text of each kind, in characters.
_LOGIN = 1000
_CONSENT = 4000
_MAINTENANCE = 600
_PARKED = 1000
# As much text may stand beside the words of a wall: the name of the site, languages, a slogan.
_BESIDE = 120
_WIDE = 300
_TINY = 200


def wall(visible: VisiblePage) -> Verdict | None:
    """Return why the page is none that could be read, or None."""
    if has_article_metadata(visible):
        return None
    blocks = [block for block in visible.blocks if block.chrome != "semantic"]
    size = sum(size_of(block.text) for block in blocks)
    detail = (
        (size <= _LOGIN and _login(visible, blocks))
        or (size <= _CONSENT and _consent(visible, blocks))
        or (size <= _MAINTENANCE and _maintenance(visible, blocks))
        or (size <= _PARKED and _parked(visible, blocks))
    )
    return Verdict("blocked", detail) if detail else None


def _login(visible: VisiblePage, blocks: list[Block]) -> str:
    title = title_sign(visible, LOGIN_TITLES)
    prompt = prompt_sign(blocks, LOGIN_PROMPTS)
    about, beside = lengths(blocks, LOGIN_WORDS)
    asks = bool(visible.passwords) and (beside <= _BESIDE or (bool(title) and beside <= _WIDE))
    if asks or (title and (prompt or about + beside <= _TINY) and about >= beside):
        return f"a login form, not the document: {quoted(prompt or title or visible.title)}"
    return ""


def _consent(visible: VisiblePage, blocks: list[Block]) -> str:
    title = title_sign(visible, CONSENT_TITLES)
    choice = next((block.text for block in blocks if _is_choice(block)), "")
    about, beside = lengths([block for block in blocks if not _is_choice(block)], CONSENT_WORDS)
    if (title and choice and about >= beside) or (choice and about > 2 * beside and beside <= _BESIDE):
        return f"a question for consent, not the document: {quoted(title or choice)}"
    return ""


def _maintenance(visible: VisiblePage, blocks: list[Block]) -> str:
    title = title_sign(visible, MAINTENANCE_TITLES)
    prompt = prompt_sign(blocks, MAINTENANCE_PROMPTS)
    about = share(blocks, MAINTENANCE_WORDS)
    if (title and prompt and about >= 0.3) or ((prompt or (title and _is_tiny(blocks))) and about >= 0.6):
        return f"the site is being maintained: {quoted(prompt or title)}"
    return ""


def _parked(visible: VisiblePage, blocks: list[Block]) -> str:
    title = title_sign(visible, PARKED_TITLES)
    prompt = prompt_sign(blocks, PARKED_PROMPTS)
    about = share(blocks, PARKED_WORDS)
    if (title and prompt) or (prompt and about >= 0.5) or (title and _is_tiny(blocks)):
        return f"a parked domain: {quoted(prompt or title)}"
    return ""


def _is_choice(block: Block) -> bool:
    return bool(re.fullmatch(CONSENT_CHOICES, plain(block.text).strip(" .!✓×")))


def _is_tiny(blocks: list[Block]) -> bool:
    return sum(size_of(block.text) for block in blocks) <= _TINY
