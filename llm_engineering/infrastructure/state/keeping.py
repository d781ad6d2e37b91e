"""How much is kept, and for how long: the same rules in every store."""

import math
import re
from collections.abc import Collection, Iterable

from pydantic import Field

from llm_engineering.domain.answers import Receipt, Turn
from llm_engineering.domain.erasure import digest_of
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import Value

SECOND = 1_000_000  # stores count time in microseconds since 1970
_DAY = 86_400 * SECOND
_LONGEST = 10 * 366 * 86_400.0
_TITLE = 200
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Indexed columns of PostgreSQL take 2,700 bytes.
_MOST = {"owner": 400, "title": 500, "answer id": 200}


class Keeping(Value):
    """The limits of a store of the assistant's state."""

    keep_days: float | None = Field(
        90.0, gt=0, le=36_500, description="receipts, feedback and unused conversations go after so long; null: never"
    )
    max_conversations: int = Field(1_000, ge=1, description="of one owner")
    max_turns: int = Field(1_000, ge=1, description="of one conversation")
    max_characters: int = Field(1_000_000, ge=1, description="of one turn, receipt or cached text")

    def cutoff(self, now: int) -> int:
        """Return since when something must have been used to be kept still; both in microseconds."""
        return 0 if self.keep_days is None else now - round(self.keep_days * _DAY)

    def check_text(self, what: str, *texts: str) -> None:
        """Refuse texts that are too long together.

        Raises:
            UsageError: says how long they are.
        """
        found = sum(map(len, texts))
        if found > self.max_characters:
            raise UsageError(
                f"{what} has {found:,} characters, and at most {self.max_characters:,} are kept; shorten it, or raise "
                "state.max_characters"
            )

    def too_many_conversations(self) -> UsageError:
        """Return the error for one more conversation of an owner who has all that he may have."""
        return UsageError(
            f"there are {self.max_conversations:,} conversations already, and an owner may have no more; delete some, "
            "or raise state.max_conversations"
        )

    def too_many_turns(self, conversation_id: str) -> UsageError:
        """Return the error for one more turn of a conversation that is full."""
        return UsageError(
            f"conversation {conversation_id} has {self.max_turns:,} turns, and may have no more; begin a new one, or "
            "raise state.max_turns"
        )


def no_such_conversation(conversation_id: str) -> UsageError:
    """Return the error for a conversation that is not there, or is somebody else's."""
    return UsageError(f"there is no conversation {conversation_id[:100]!r}; begin a new one, or list those there are")


def is_conversation_id(text: str) -> bool:
    """Return whether a text could be the id of a conversation: callers may ask for anything."""
    return _ID.fullmatch(text) is not None


def check_short(what: str, text: str, least: int = 0) -> None:
    """Refuse an owner, a title or an id of an answer that is too long, or too short.

    Raises:
        UsageError: says how long it is.
    """
    if len(text) < least:
        raise UsageError(f"the {what} is empty; give one")
    if len(text) > _MOST[what]:
        raise UsageError(f"the {what} has {len(text):,} characters, and at most {_MOST[what]:,} are kept; shorten it")


def microseconds(what: str, seconds: float) -> int:
    """Return a time to live in microseconds, at least one millisecond, which all stores can measure.

    Raises:
        UsageError: it is not between nothing and ten years.
    """
    if not (math.isfinite(seconds) and 0 < seconds <= _LONGEST):
        raise UsageError(f"{what} is to be kept for {seconds} s; give a number above 0, and of ten years at most")
    return max(round(seconds * SECOND), 1_000)


def title_of(question: str) -> str:
    """Return the title of a conversation that begins with a question: all of it, or its beginning."""
    return question if len(question) <= _TITLE else f"{question[: _TITLE - 1]}…"


def is_titled_by(title: str, questions: Iterable[str]) -> bool:
    """Return whether a conversation has its title from one of these questions: with the question, the title goes."""
    beginning = title.removesuffix("…")
    return bool(title) and any(question.startswith(beginning) for question in questions)


def document_marks(document_ids: Collection[str]) -> frozenset[str]:
    """Return the digests by which the store recognises what quotes these documents."""
    return frozenset(digest_of("document", document_id) for document_id in document_ids)


def answer_mark(answer_id: str) -> str:
    """Return the digest by which the store recognises what belongs to an answer."""
    return digest_of("answer", answer_id)


def marks_of_turn(turn: Turn, documents: Collection[str]) -> frozenset[str]:
    """Return the documents that a turn quotes, and its answer, as digests."""
    return document_marks(documents) | ({answer_mark(turn.answer_id)} if turn.answer_id else set())


def documents_of(receipt: Receipt, documents: Collection[str]) -> frozenset[str]:
    """Return the ids of the documents that a receipt is about: those of its citations, and those that are named."""
    return frozenset((*documents, *(citation.document_id for citation in receipt.answer.citations)))
