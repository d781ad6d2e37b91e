"""Sizes in the embedder's own tokens: how many a span takes, and where to cut when nothing else is left."""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from llm_engineering.application.text.characters import cluster_start
from llm_engineering.domain.ports import SubwordTokenizer

# A tokenizer may read a word of any length as one unknown token, and blanks as none. A token is taken to hold at most
# this many characters, so that no chunk is many times longer than what its vector can stand for.
CHARACTERS_PER_TOKEN = 32

SEPARATOR = " > "
# The context gets this share of the window at most.
CONTEXT_SHARE = 4

_BLANK = re.compile(r"\s+")
_SLAB = 100_000
_LONGEST_CONTEXT_PART = 400
_LONGEST_WORD = 20
_CLAUSE_ENDS = "，、；：،؛;,:"


class Sizer:
    """Measures one text. The text is encoded once, slab by slab, as far as it is asked for.

    Sizes of spans are sums of the text's own sub-words. Cut out, a span may take a token more or less, so the packer
    counts each finished chunk again.
    """

    def __init__(self, text: str, tokenizer: SubwordTokenizer, max_tokens: int) -> None:
        self.text = text
        self.max_tokens = max_tokens
        self.room = max_tokens - tokenizer.special_tokens
        self.count = tokenizer.count
        self._tokenizer = tokenizer
        self._starts = array("Q")
        self._ends = array("Q")
        self._measured = 0
        self._contexts: dict[tuple[tuple[str, ...], int], tuple[str, int]] = {}

    def tokens(self, start: int, end: int) -> int:
        """Return how many tokens [start, end) takes, special tokens left out."""
        self._measure(end)
        within = bisect_left(self._starts, end) - bisect_right(self._ends, start)
        return max(within, -(-(end - start) // CHARACTERS_PER_TOKEN))

    def weight(self, start: int, end: int) -> float:
        """Return the share of [start, end) in the tokens of the text: the weights of neighbours add up."""
        self._measure(end)
        begun = bisect_left(self._starts, end) - bisect_left(self._starts, start)
        return max(begun, (end - start) / CHARACTERS_PER_TOKEN)

    def fits(self, start: int, end: int, room: int) -> bool:
        """Tell whether [start, end), less blanks at its end, takes at most `room` tokens.

        What is far too long is not measured.
        """
        if end - start > room * CHARACTERS_PER_TOKEN:
            return False
        return self.tokens(start, start + len(self.text[start:end].rstrip())) <= room

    def cut(self, start: int, end: int, room: int) -> int:
        """Return the offset in (start, end] up to which the text fits into `room` tokens.

        The cut falls after white space if there is some in the second half, else after a clause, else between
        sub-words, and never inside a character with its marks if that can be avoided.
        """
        limit = min(end, start + max(room, 1) * CHARACTERS_PER_TOKEN)
        self._measure(limit)
        token = bisect_right(self._ends, start) + room
        if token < len(self._starts):
            limit = min(limit, self._starts[token])
        if limit >= end:
            return end
        limit = max(limit, start + 1)
        return self._after_blank(start, limit) or cluster_start(self.text, start, limit)

    def back(self, start: int, end: int, tokens: int) -> int:
        """Return the offset in (start, end] from which on at most `tokens` tokens reach to `end`, before a word."""
        if not tokens:
            return end
        self._measure(end)
        first = bisect_left(self._starts, end) - tokens
        offset = max(self._starts[first] if first >= 0 else 0, end - tokens * CHARACTERS_PER_TOKEN, start + 1)
        return min(end, self._after_blank_from(offset, end))

    def context(self, parts: tuple[str, ...], room: int | None = None) -> tuple[str, int]:
        """Return the parts joined, and the tokens that they take with the line break, `room` at most.

        What is too long loses its outermost parts; a single part is cut after a word.
        """
        share = self.room // CONTEXT_SHARE
        limit = share if room is None else min(room, share)
        if (known := self._contexts.get((parts, limit))) is None:
            known = self._contexts[parts, limit] = self._fit_context(parts, limit)
        return known

    def _fit_context(self, parts: tuple[str, ...], room: int) -> tuple[str, int]:
        short = [clean for part in parts if (clean := " ".join(part[:_LONGEST_CONTEXT_PART].split()))]
        while short:
            joined = SEPARATOR.join(short)
            tokens = self._context_tokens(joined)
            if tokens <= room:
                return joined, tokens
            shorter = _without_last_word(joined) if len(short) == 1 else ""
            short = [shorter] if shorter else short[1:]
        return "", 0

    def _context_tokens(self, context: str) -> int:
        return self.count(f"{context}\n") + self.room - self.max_tokens

    def _after_blank(self, start: int, limit: int) -> int:
        """Return the offset after the last white space, or else clause, in the second half of [start, limit]."""
        middle = start + (limit - start) // 2
        if self.text[limit : limit + 1].isspace():
            return limit
        clause = 0
        for offset in range(limit, middle, -1):
            character = self.text[offset - 1]
            if character.isspace():
                return offset
            if not clause and character in _CLAUSE_ENDS:
                clause = offset
        return clause

    def _after_blank_from(self, offset: int, end: int) -> int:
        """Return the offset itself if a word begins there, or where the next one begins before `end`."""
        blank = _BLANK.search(self.text, offset - 1, end)
        if blank is None:
            return cluster_start(self.text, offset - 1, offset)
        return blank.end()

    def _measure(self, end: int) -> None:
        while self._measured < end:
            first = self._measured
            last = min(first + _SLAB, len(self.text))
            if last < len(self.text):
                last = self._after_blank(last - 2000, last) or last
            spans = self._tokenizer.spans(self.text[first:last])
            self._starts.extend(_shifted((start for start, _ in spans), first))
            self._ends.extend(_shifted((end for _, end in spans), first))
            self._measured = last


def _shifted(offsets: Iterable[int], by: int) -> Iterable[int]:
    return (offset + by for offset in offsets)


def _without_last_word(text: str) -> str:
    """Drop the last word. What has no words, such as a Chinese title, loses its second half if it is long."""
    words = text.rsplit(maxsplit=1)
    if len(words) == 2:
        return words[0].rstrip(" >")
    return text[: len(text) // 2] if len(text) > _LONGEST_WORD else ""
