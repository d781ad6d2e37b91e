"""What answers are made with and kept in."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol

from llm_engineering.domain.access import Access
from llm_engineering.domain.answers import AnswerEvent, Conversation, Feedback, Question, Receipt, Turn
from llm_engineering.domain.conditions import Filter
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.llms import Completion, Delta, LlmCard, LlmRequest
from llm_engineering.domain.queries import Found, Retrieved


class Llm(Protocol):
    """A language model, wherever it runs. It belongs to the event loop that used it first.

    Raises:
        BackendError: the model failed, did not answer in time, or says to wait; `.transient` says whether a retry may
            help, `.retry_after` (seconds) when.
        BudgetExceeded: the call would pass the budget. It was not made.
        UsageError: the key, the model's name or an extra is missing.
    """

    card: LlmCard

    async def complete(self, request: LlmRequest) -> Completion:
        """Return the whole completion."""
        ...

    def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        """Yield the text as it is written, then the completion as the last event.

        Closing the iterator early ends the call at the server too. A stream that breaks raises; what was yielded until
        then counts for nothing.
        """
        ...

    async def close(self) -> None:
        """Close connections. It can be repeated."""
        ...


class Reranker(Protocol):
    """Scores how well passages answer a query, by reading both together."""

    name: str

    def scores(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """Return one score for each text, higher is better.

        Raises:
            BackendError: the model failed. There are never fewer scores than texts.
        """
        ...


class Searcher(Protocol):
    """Finds passages in the version of the index that readers see, and follows it. Safe to use from several threads."""

    def search(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Retrieved:
        """Return the hits for a query. `access` is never left out: it stands above the filter, whatever that says.

        Raises:
            UsageError: the query is blank, a filter is wrong, there is no index, or it needs another model.
            BackendError: the store failed.
        """
        ...

    def look_up(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Found:
        """Return the hits as `search` does, with the documents that they are from: all of one version, so that quotes
        are looked for in the text that they were taken from."""
        ...

    def manifest(self) -> IndexManifest:
        """Return the manifest of the version that the next search reads."""
        ...

    def document(self, document_id: str, access: Access) -> CleanedDocument | None:
        """Return a cleaned document, whose offsets those of hits are, or None where the caller may not see it."""
        ...

    def documents(self, document_ids: Collection[str], access: Access) -> dict[str, CleanedDocument]:
        """Return the cleaned documents among the ids that exist and that the caller may see."""
        ...

    def facets(self, access: Access) -> Mapping[str, Mapping[str, int]]:
        """Return field → value, as text → how many passages that the caller may see have it: of `source` and of the
        indexed metadata, the most frequent values first."""
        ...

    def close(self) -> None: ...


class Assistant(Protocol):
    """Answers questions from the index."""

    def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        """Yield what was found, the text piece by piece, and at the end the answer, or why there is none.

        Closing the iterator early cancels the work behind it.

        Raises:
            UsageError: the question is blank, a filter is wrong, no such model is configured, there is no index.
        """
        ...

    def models(self) -> Sequence[str]:
        """Return the names that a question may ask for, the default first; `extractive` is always one of them."""
        ...

    async def close(self) -> None: ...


class AssistantState(Protocol):
    """Conversations, cached answers, receipts and feedback; shared by all processes that name the same store.

    Any string may be given, and comes back unchanged. What is too long or too much is refused. Nothing is tried twice:
    who repeats a call whose confirmation was lost may have done it twice.

    Every adapter is safe to use from several threads and processes. What belongs to an owner is given to no other.

    Raises:
        BackendError: the store failed; `.transient` says whether a retry may help.
        UsageError: a limit of the store is reached; the message names it.
    """

    def create_conversation(self, owner: str, title: str = "") -> Conversation: ...

    def conversation(self, owner: str, conversation_id: str) -> Conversation | None:
        """Return a conversation of this owner, or None: also for one of somebody else."""
        ...

    def conversations(self, owner: str, limit: int = 100) -> Sequence[Conversation]:
        """Return the owner's conversations without their turns, the last used first."""
        ...

    def add_turn(self, owner: str, conversation_id: str, turn: Turn, documents: Collection[str] = ()) -> None:
        """Append a turn, keeping the order of calls; an empty title becomes the first question, cut where it is long.

        `documents` are those that the answer was made from, so that it can be forgotten with them. If the answer's
        receipt names them too, they may be left out.

        Raises:
            UsageError: the owner has no such conversation, it is full, or the turn is too long.
        """
        ...

    def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        """Remove a conversation with its turns; return whether there was one."""
        ...

    def cached(self, key: str) -> str | None:
        """Return a kept text by its key, unless it is older than it was to become."""
        ...

    def cache(self, key: str, value: str, seconds: float, documents: Collection[str] = ()) -> None:
        """Keep a text under a key for so long, claimed or not; `documents` are those that it was made from."""
        ...

    def claim(self, key: str, seconds: float) -> bool:
        """Take a key that nobody has: of several callers, in several processes, exactly one gets True.

        A claim ends after so many seconds, when it is released, or when a text is cached under its key. It names no
        holder: do not release it after its time, when it may be somebody else's.
        """
        ...

    def release(self, key: str) -> None:
        """Give a claimed or cached key back."""
        ...

    def keep_receipt(self, owner: str, receipt: Receipt, documents: Collection[str] = ()) -> None:
        """Keep the receipt of an answer; `documents` are those that it was made from, beside those that it cites."""
        ...

    def receipt(self, owner: str | None, answer_id: str) -> Receipt | None:
        """Return the receipt of an answer of this owner (of any, for None), or None."""
        ...

    def add_feedback(self, feedback: Feedback) -> None:
        """Keep what an owner thinks of an answer, replacing what the same owner thought before."""
        ...

    def feedback(self, answer_id: str) -> Sequence[Feedback]: ...

    def quoting(self, document_ids: Collection[str]) -> Sequence[str]:
        """Return a name for each thing that `forget_documents` would remove; names hold no text of anybody."""
        ...

    def forget_documents(self, document_ids: Collection[str]) -> int:
        """Remove cached answers, receipts and turns that quote these documents, for good; return how many.

        Everything that belongs to the same answer goes, feedback too. What is added later and quotes these documents
        is not kept, in silence: answers may be on their way while a document is erased.
        """
        ...

    def compact(self) -> None:
        """Rewrite the files of the store, so that what was removed is in none of them any more."""
        ...

    def ping(self) -> None:
        """Return if the store can be reached."""
        ...

    def close(self) -> None: ...
