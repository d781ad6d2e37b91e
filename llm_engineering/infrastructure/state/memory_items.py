"""What the state in memory is made of."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from llm_engineering.domain.answers import Conversation, Turn
from llm_engineering.infrastructure.state.writing import iso

Marks = frozenset[str]
K = TypeVar("K")
V = TypeVar("V")


@dataclass
class Talk:
    """A conversation with the marks of what its turns quote; times in microseconds."""

    id: str
    owner: str
    title: str
    created: int
    updated: int
    turns: list[tuple[Turn, Marks]] = field(default_factory=list)

    def conversation(self, *, whole: bool) -> Conversation:
        """Return it, with its turns if it is to be whole."""
        turns = tuple(turn for turn, _ in self.turns) if whole else ()
        return Conversation(
            id=self.id,
            owner=self.owner,
            title=self.title,
            created_at=iso(self.created),
            updated_at=iso(self.updated),
            turns=turns,
        )


@dataclass(frozen=True)
class Entry:
    """A cached text, or a claim, until a time in microseconds."""

    value: str | None  # None: claimed
    until: int
    marks: Marks


def bound(kept: dict[K, V], most: int) -> None:
    """Let the oldest go until there are no more than so many."""
    while len(kept) > most:
        del kept[next(iter(kept))]


def drop_before(kept: "dict[K, tuple[*tuple[Any, ...], int]]", cutoff: int) -> None:
    """Let go what is older than a time; the oldest stand first, each with its time at its end."""
    for key in list(kept):
        if kept[key][-1] >= cutoff:
            return
        del kept[key]
