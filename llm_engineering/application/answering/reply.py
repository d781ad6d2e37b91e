"""What a model replies: an answer with numbers, and below it the quotes that prove it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

from llm_engineering.application.answering.prompt_passages import HIDDEN

NO_ANSWER = "NO ANSWER"

# Models that answer in another language may translate the word that they were told; in capitals, as they were told it.
_HEAD = (
    r"(?:(?i:(?:verbatim )?quot(?:es?|ations?))|ZITATE?|BELEGE|CITAS?|CITATIONS?|CITAZIONI|CITAÇÕES|CITATEN|ЦИТАТ[АЫ]|"
    r"引用文?|引文)"
)
_SIGNS = r"(?:[^\w\n]|_){0,40}"
# The first quote may stand on the line of the head.
_QUOTES = re.compile(rf"^{_SIGNS}{_HEAD}(?:{_SIGNS}$|[ *_]{{0,4}}:[ *_]{{0,4}}(?=[\[【［]\^?\d))", re.MULTILINE)
_MAYBE_QUOTES = re.compile(rf"{_SIGNS}(?:[^\W\d_]{{0,10}} ?)?[^\W\d_]{{0,10}}{_SIGNS}")
# In small letters it is a refusal only on a line of its own: "No answer is due before Monday" is an answer.
_NO_ANSWER = re.compile(r"[\W_]*(?:NO[ _-]?ANSWER\b|(?i:no[ _-]?answer)(?:[^\w\n]|_)*(?:\n|\Z))")
_NUMBERED = re.compile(
    r"^[ \t>*•-]*(?:\d{1,2}[.)][ \t]*)?[\[【［]\^?(?:passage[ \t]*)?(\d{1,4})[^\]】］\n]{0,20}[\]】］]\**"
    r"[ \t]*[:–—-]?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
# What follows the quote on its last line, or below it, is none of its words.
_QUOTED = re.compile(r"[\"“„«»「](.+?)[\"”“»«」][.,;]?[ \t]*(?:\([^()\n]*\))?[ \t]*$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"[\"“„«「]([^\"“”„«»「」\n]{8,600})[\"”“»」][.,;:]?\s*\[(\d{1,4})\]")
_BETWEEN = re.compile(r"[\"”“»«」][ \t]*(?:[,;/…]|and|und|et|y|e|en|и)?[ \t]*[\"“„«»「]")
_LONGEST_GAP = 40
_MARKS = " \t\r\n\"“”„«»「」'‘’"


@dataclass(frozen=True)
class Reply:
    """A reply, taken apart: `quotes` holds the quotes for each number, in order."""

    text: str
    quotes: Mapping[int, tuple[str, ...]]
    refused: bool = False


def parse_reply(raw: str) -> Reply:
    """Take a reply apart. A model that forgets the quotes, or writes them into its text, is understood, too.

    >>> parse_reply('It is free [1].\\nQUOTES\\n[1] "The course is free."').quotes
    {1: ('The course is free.',)}
    """
    raw = HIDDEN.sub("", raw)
    head = _QUOTES.search(raw)
    text, block = (raw[: head.start()], raw[head.end() :]) if head else (raw, "")
    quotes: dict[int, tuple[str, ...]] = {}
    found = list(_NUMBERED.finditer(block))
    for mark, following in zip_longest(found, found[1:]):
        given = _quotes_of(block[mark.end() : following.start() if following else len(block)])
        quotes[int(mark[1])] = (*quotes.get(int(mark[1]), ()), *given)
    for quote, number in _INLINE.findall(text):
        quotes[int(number)] = (*quotes.get(int(number), ()), quote)
    return Reply(text.strip(), quotes, refused=bool(_NO_ANSWER.match(text)))


def _quotes_of(given: str) -> list[str]:
    """Return what is quoted behind a number: one quote, or several between marks of their own.

    >>> _quotes_of('"It is free." and "It is short."\\nI hope this helps!')
    ['It is free.', 'It is short.']
    """
    quoted = _QUOTED.match(given)
    quotes = _BETWEEN.split(quoted[1]) if quoted else [given]
    return [quote for one in quotes if (quote := one.strip(_MARKS))]


@dataclass
class AnswerPart:
    """Lets through what belongs to the answer while a reply is written: nothing of the quotes below it, nothing of a
    refusal."""

    _held: str = ""
    _in_line: bool = field(default=False, init=False)
    _begun: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)

    def feed(self, piece: str) -> str:
        """Take the next piece of the reply and return what is certain to belong to the answer."""
        self._held += HIDDEN.sub("", piece)
        return self._next(last=False)

    def finish(self) -> str:
        """Return what was held back."""
        return self._next(last=True)

    def _next(self, *, last: bool) -> str:
        if self._over:
            return ""
        if not self._begun:
            self._held = self._held.lstrip()
            if len(self._held) < len(NO_ANSWER) + 4 and not last:
                return ""
            if _NO_ANSWER.match(self._held):
                self._over = True
                return ""
            self._begun = True
        return self._let_out(last=last)

    def _let_out(self, *, last: bool) -> str:
        held = self._held
        # What goes on with a line is no head.
        first = held.find("\n") + 1 if self._in_line else 0
        head = _QUOTES.search(held, first) if first or not self._in_line else None
        # `$` also matches at the end of what is there so far: the line may go on.
        if head and (last or held[head.end() :]):
            self._over = True
            return held[: head.start()].rstrip()
        line = held.rfind("\n") + 1
        is_new = line > 0 or not self._in_line
        cut = line if not last and is_new and _MAYBE_QUOTES.fullmatch(held, line) else len(held)
        if head and not last:
            cut = min(cut, head.start())
        # The answer ends with its last word: a gap waits for the next one.
        cut = max(len(held[:cut].rstrip()), 0 if last else cut - _LONGEST_GAP)
        out, self._held = held[:cut], held[cut:]
        self._in_line = not out.endswith("\n") if out else self._in_line
        return out
