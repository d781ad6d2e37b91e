"""Passages, counted by the embedder's own tokenizer: what is too long after all is made shorter here."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from llm_engineering.application.chunking.pieces import Context, Piece
from llm_engineering.application.chunking.sizing import Sizer
from llm_engineering.application.text.characters import cluster_start
from llm_engineering.application.text.spans import trim
from llm_engineering.domain.errors import UsageError

_LONGEST_FIRST_LINE = 1000
_SCRAP_TOKENS = 4


class Passage(NamedTuple):
    """A span with its context, and the positions of the window that both take."""

    start: int
    end: int
    context: str
    tokens: int


def closed(pieces: Sequence[Piece]) -> int:
    """Return how many of the pieces can stand as a passage: all but the headings at the end."""
    size = len(pieces)
    while size and pieces[size - 1].leads:
        size -= 1
    return size


def without_scraps(passages: Iterable[Passage], sizer: Sizer) -> Iterator[Passage]:
    """Join passages that say nothing alone (a closing bracket, a rule, a single word) to the one before, if both fit.

    Such a scrap has little but its context, so a search for the context would find it first.
    """
    before: Passage | None = None
    for passage in passages:
        joined = _joined(sizer, before, passage) if before is not None else None
        if before is not None and joined is None:
            yield before
        before = joined or passage
    if before is not None:
        yield before


def _joined(sizer: Sizer, before: Passage, scrap: Passage) -> Passage | None:
    if scrap.start < before.end or sizer.tokens(scrap.start, scrap.end) > _SCRAP_TOKENS:
        return None
    joined = _counted(sizer, before.start, scrap.end, before.context)
    return joined if joined.tokens <= sizer.max_tokens else None


def of_pieces(sizer: Sizer, pieces: Sequence[Piece]) -> tuple[Passage | None, int]:
    """Return a passage of as many of the pieces as really fit, and how many they are.

    The passage is None if the pieces are blank, or, with a count of 0, if even the first one does not fit.
    """
    used = len(pieces)
    while used:
        start, end = trim(sizer.text, pieces[0].start, pieces[used - 1].end)
        if start == end:
            return None, used
        passage = _with_context(sizer, start, end, pieces[0].context)
        if passage.tokens > sizer.max_tokens and not closed(pieces[: used - 1]):
            passage = _with_less_context(sizer, passage, pieces[0].context)
        if passage.tokens <= sizer.max_tokens:
            return passage, used
        used = _fewer(sizer, pieces[:used], passage.tokens)
    return None, 0


def of_beginning(sizer: Sizer, start: int, end: int, context: Context) -> Passage:
    """Return the longest beginning of the span that fits, cut at a blank or a sub-word.

    Raises:
        UsageError: the window cannot hold a single character.
    """
    passage = _with_context(sizer, start, sizer.cut(start, end, sizer.room - sizer.context(context)[1]), context)
    while passage.tokens > sizer.max_tokens:
        shorter = _shorter(sizer, passage)
        if shorter > start:
            passage = _with_context(sizer, start, shorter, context if passage.context else ())
        elif passage.context:
            passage = _with_context(sizer, start, passage.end, ())
        else:
            raise UsageError(
                f"a window of {sizer.max_tokens} tokens cannot hold the single character "
                f"{sizer.text[start : passage.end]!r}, which takes {passage.tokens}; raise max_tokens"
            )
    return passage


def trimmed(sizer: Sizer, passage: Passage) -> Passage | None:
    """Return the passage without the white space around it; None if nothing else is there."""
    start, end = trim(sizer.text, passage.start, passage.end)
    if start == end:
        return None
    if (start, end) == (passage.start, passage.end):
        return passage
    counted = _counted(sizer, start, end, passage.context)
    # A tokenizer may in theory count more for less; then the blanks stay.
    return counted if counted.tokens <= sizer.max_tokens else passage


def _with_context(sizer: Sizer, start: int, end: int, context: Context, room: int | None = None) -> Passage:
    """Return the passage with its context, less what the passage's own first line says."""
    line_end = sizer.text.find("\n", start, min(end, start + _LONGEST_FIRST_LINE))
    first_line = sizer.text[start : line_end if line_end >= 0 else min(end, start + _LONGEST_FIRST_LINE)]
    parts = tuple(part for part in context if f" {part} " not in f" {first_line} ")
    return _counted(sizer, start, end, sizer.context(parts, room)[0])


def _with_less_context(sizer: Sizer, passage: Passage, context: Context) -> Passage:
    """Return the passage with as much of its context as the window leaves, and be it none."""
    room = sizer.context((passage.context,))[1]
    while passage.context and (excess := passage.tokens - sizer.max_tokens) > 0:
        if not room:  # what is left of it takes no token, such as an invisible character: it would never go
            return _counted(sizer, passage.start, passage.end, "")
        room = max(0, room - excess)
        passage = _with_context(sizer, passage.start, passage.end, context, room)
    return passage


def _counted(sizer: Sizer, start: int, end: int, context: str) -> Passage:
    text = sizer.text[start:end]
    return Passage(start, end, context, sizer.count(f"{context}\n{text}" if context else text))


def _fewer(sizer: Sizer, pieces: Sequence[Piece], tokens: int) -> int:
    """Return how many of the pieces to try next, after all of them took `tokens`."""
    start = pieces[0].start
    room = sizer.tokens(start, pieces[-1].end) * sizer.max_tokens // tokens
    used = len(pieces) - 1
    while used > 1 and sizer.tokens(start, pieces[used - 1].end) > room:
        used -= 1
    return closed(pieces[:used]) or used


def _shorter(sizer: Sizer, passage: Passage) -> int:
    """Return an earlier end for a passage that is too long; its start if it is a single character."""
    start, end = passage.start, passage.end
    size = sizer.tokens(start, end)
    cut = sizer.cut(start, end, min(size - 1, size * sizer.max_tokens // passage.tokens))
    return cut if cut < end else cluster_start(sizer.text, start, start + (end - start) // 2)
