"""Text to numbers and back: what a vocabulary is, and the two simplest ones, of characters and of words.

A model reads and writes numbers. A vocabulary gives every piece of text that it knows one, its id. The first ids are
those of six tokens that no text contains: the end of a document, an unknown piece, what fills short rows of a batch,
and the three parts of a conversation. The pieces follow, sorted, so that the same pieces always have the same ids.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from llm_engineering.domain.errors import UsageError

SPECIALS = ("<|endoftext|>", "<|unknown|>", "<|padding|>", "<|system|>", "<|user|>", "<|assistant|>")
END, UNKNOWN, PADDING = 0, 1, 2
_SPECIAL = re.compile("(" + "|".join(map(re.escape, SPECIALS)) + ")")

# How text is cut into words: letters (all that is not ASCII counts as one), digits and punctuation, each with the
# space before it, and runs of white space, which leave their last sign to the word that follows. It names ASCII
# only, because what is a letter elsewhere depends on the version of Unicode, and two programs have to agree. No word
# is longer than 64 signs, so that a megabyte without a space is read as fast as any other.
WORD = (
    r" ?[^\x00-@\[-`{-\x7f]{1,64}"
    r"| ?[0-9]{1,3}"
    r"| ?[!-/:-@\[-`{-~]{1,64}"
    r"|[\x00-\x20\x7f]{1,64}(?![^\x00-\x20\x7f])"
    r"|[\x00-\x20\x7f]"
)
CHARACTER = r"[\s\S]"
PATTERNS: Mapping[str, str] = {"characters": CHARACTER, "words": WORD}

Unknown = Literal["token", "refuse"]


class Vocabulary(Protocol):
    """Turns text into ids and ids into text."""

    @property
    def size(self) -> int:
        """How many ids there are."""
        ...

    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        """Return the ids of a text.

        With `specials`, the names of special tokens in the text stand for these tokens. Never ask for it with a text
        that somebody else wrote.
        """
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; special tokens come as their names."""
        ...

    def described(self) -> dict[str, object]:
        """Return all that it takes to make the vocabulary again, as JSON can hold it."""
        ...


@dataclass(frozen=True)
class Pieces:
    """A vocabulary of characters or of words, in the order of their ids.

    `unknown` is what becomes of a piece that is none of them: a token that says so, or a refusal.

    >>> letters = Pieces("characters", ("a", "b"))
    >>> letters.encode("abc")
    [6, 7, 1]
    >>> letters.decode([6, 7, 1])
    'ab<|unknown|>'
    """

    kind: Literal["characters", "words"]
    pieces: tuple[str, ...]
    unknown: Unknown = "token"

    @cached_property
    def ids(self) -> dict[str, int]:
        """Piece → id."""
        return {piece: number for number, piece in enumerate((*SPECIALS, *self.pieces))}

    @property
    def size(self) -> int:
        return len(SPECIALS) + len(self.pieces)

    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        """Return the ids of a text.

        Raises:
            UsageError: a piece is unknown, and `unknown` is "refuse".
        """
        found = []
        for part, special in parted(text, specials=specials):
            pieces = [part] if special else re.findall(PATTERNS[self.kind], part)
            found += [self._id(piece) for piece in pieces]
        return found

    def decode(self, ids: Iterable[int]) -> str:
        names = (*SPECIALS, *self.pieces)
        return "".join(names[number] for number in ids)

    def described(self) -> dict[str, object]:
        return {"kind": self.kind, "pieces": list(self.pieces), "unknown": self.unknown}

    def _id(self, piece: str) -> int:
        number = self.ids.get(piece)
        if number is None and self.unknown == "refuse":
            raise UsageError(
                f"{piece!r} is not among the {len(self.pieces):,} {self.kind} that this vocabulary knows; "
                "leave it out, or make the vocabulary with `unknown: token`"
            )
        return UNKNOWN if number is None else number


def learn_pieces(
    texts: Iterable[str], kind: Literal["characters", "words"], size: int = 0, unknown: Unknown = "token"
) -> Pieces:
    """Return the vocabulary of all pieces of the texts; of the most frequent ones where `size` (0: any) limits it.

    Raises:
        UsageError: there is no room for a single piece, or the texts have none.
    """
    counts = Counter(piece for text in texts for piece in re.findall(PATTERNS[kind], text) if _is_text(piece))
    room = size - len(SPECIALS) if size else len(counts)
    if room < 1 or not counts:
        raise UsageError(
            f"there is nothing to make a vocabulary of {kind} of: {len(counts)} {kind} in the texts, and room for "
            f"{max(0, room)} in a size of {size} ({len(SPECIALS)} are taken by special tokens)"
        )
    frequent = sorted(counts, key=lambda piece: (-counts[piece], piece))[:room]
    return Pieces(kind, tuple(sorted(frequent)), unknown)


def parted(text: str, *, specials: bool) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text, each with whether it is a special token; without `specials` no part is."""
    for part in _SPECIAL.split(text) if specials else [text]:
        if part:
            yield part, specials and part in SPECIALS


def documents_to_ids(vocabulary: Vocabulary, texts: Sequence[str]) -> list[int]:
    """Return the ids of documents one after the other, each ended by the token that says so.

    A document that spells the name of a special token gets the letters, not the token.
    """
    return [number for text in texts for number in (*vocabulary.encode(text), END)]


def _is_text(piece: str) -> bool:
    """Tell half of a character from a whole one: no file can hold it, so it cannot be learnt."""
    return not any("\ud800" <= sign <= "\udfff" for sign in piece)
