"""An assistant in memory: documents that are searched by their words, answers that quote them, and a state.

All of them honour access and filters in the way the real ones have to, by `matching.fulfils`.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from llm_engineering.application.retrieval.filters import payload_filter
from llm_engineering.domain.access import Access
from llm_engineering.domain.answers import (
    Answer,
    AnswerEvent,
    Citation,
    Conversation,
    Feedback,
    Finished,
    Piece,
    Question,
    Receipt,
    Sources,
    Turn,
    Versions,
)
from llm_engineering.domain.conditions import Filter, both
from llm_engineering.domain.documents import CleanedDocument, document_id
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.llms import Usage
from llm_engineering.domain.queries import Found, Hit, Retrieved
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.conditions.matching import fulfils


def a_document(uri: str, text: str, source: str = "faq", title: str = "", **metadata: Scalar) -> CleanedDocument:
    return CleanedDocument(
        document_id(source, uri), uri, source, "text", text, title or uri, str(len(text)), metadata=metadata
    )


DOCUMENTS = (
    a_document("faq:1", "You can still join the course after it has begun. Deadlines apply.", course="ml"),
    a_document("faq:2", "Homework is handed in by a form. The deadline is on Monday at 23:00.", course="ml"),
    a_document("faq:3", "Docker is installed from its own packages. Restart the machine afterwards.", course="mlops"),
    a_document("manual:1", "An index speeds up a search, and slows down writing.", source="manual"),
)


class FakeSearcher:
    """Each document is one passage; its score is the share of the query's words that it holds."""

    def __init__(self, documents: Sequence[CleanedDocument] = DOCUMENTS, seconds: float = 0.0) -> None:
        self._documents = {document.id: document for document in documents}
        self._words = {document.id: set(words(document.text)) for document in documents}
        self.seconds = seconds

    def search(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Retrieved:
        if not query.strip():
            raise UsageError("the query is empty; ask for something")
        if self.seconds:
            time.sleep(self.seconds)
        condition = both(access.condition, payload_filter(filter))
        asked = set(words(query))
        found = []
        for document in self._documents.values():
            score = len(asked & self._words[document.id]) / max(1, len(asked))
            if score and fulfils(payload(document), condition):
                found.append(self._hit(document, score))
        best = sorted(found, key=lambda hit: (-hit.score, hit.chunk_id))[: k or 5]
        return Retrieved(query, tuple(best), answerable=bool(best), version="v1")

    @staticmethod
    def _hit(document: CleanedDocument, score: float) -> Hit:
        return Hit(
            chunk_id=f"chunk:{document.id}",
            score=score,
            document_id=document.id,
            uri=document.uri,
            title=document.title,
            start=0,
            end=len(document.text),
            text=document.text,
            metadata=document.metadata,
            source=document.source,
        )

    def manifest(self) -> IndexManifest:
        model = ModelCard(name="words", digest="d", dimension=1, max_tokens=256)
        return IndexManifest(version="v1", fingerprint="f", model=model)

    def document(self, document_id: str, access: Access) -> CleanedDocument | None:
        return self.documents([document_id], access).get(document_id)

    def documents(self, document_ids: Collection[str], access: Access) -> dict[str, CleanedDocument]:
        known = (self._documents[one] for one in document_ids if one in self._documents)
        return {document.id: document for document in known if fulfils(payload(document), access.condition)}

    def facets(self, access: Access) -> Mapping[str, Mapping[str, int]]:
        seen = [document for document in self._documents.values() if fulfils(payload(document), access.condition)]
        courses = Counter(str(document.metadata["course"]) for document in seen if "course" in document.metadata)
        return {"source": Counter(document.source for document in seen), "course": courses}

    def look_up(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Found:
        found = self.search(query, access=access, filter=filter, k=k)
        return Found(found, self.documents([hit.document_id for hit in found.hits], access), self.manifest())

    def close(self) -> None: ...


def words(text: str) -> list[str]:
    return [word.strip(".,?!:").lower() for word in text.split()]


def payload(document: CleanedDocument) -> dict[str, object]:
    return {
        "document_id": document.id,
        "uri": document.uri,
        "source": document.source,
        "metadata": dict(document.metadata),
    }


class FakeAssistant:
    """Quotes the first sentence of each hit, word by word. `writer` is a model that takes its time for each word."""

    def __init__(self, searcher: FakeSearcher, state: "FakeState", pause: float = 0.0) -> None:
        self._searcher = searcher
        self._state = state
        self.pause = pause
        self.asked: list[Question] = []
        self.running = 0
        self.cancelled = 0

    def models(self) -> Sequence[str]:
        return ("extractive", "writer")

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        self.running += 1
        self.asked.append(question)
        try:
            async for event in self._events(question):
                yield event
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def _events(self, question: Question) -> AsyncIterator[AnswerEvent]:
        found = await asyncio.to_thread(
            self._searcher.search, question.text, access=question.access, filter=question.filter, k=question.k
        )
        answer_id = str(uuid4())
        yield Sources(answer_id, found)
        text = " ".join(f"{first_sentence(hit)} [{number}]" for number, hit in enumerate(found.hits, start=1))
        text = text or "The sources do not say."
        for word in text.split(" "):
            await asyncio.sleep(self.pause if question.llm == "writer" else 0)
            yield Piece(word + " ")
        answer = Answer(
            id=answer_id,
            question=question.text,
            text=text,
            outcome="answered" if found.hits else "no_answer",
            citations=tuple(cited(number, hit) for number, hit in enumerate(found.hits, start=1)),
            versions=Versions(index="v1", llm=question.llm or "extractive"),
            usage=Usage(calls=1, input_tokens=12, output_tokens=len(text.split()), cost=0.001)
            if question.llm == "writer"
            else Usage(),
        )
        await asyncio.to_thread(
            self._state.keep_receipt, question.owner, Receipt(answer=answer, access=question.access)
        )
        yield Finished(answer, found.hits)

    async def close(self) -> None: ...


def first_sentence(hit: Hit) -> str:
    return hit.text.partition(". ")[0].rstrip(".") + "."


def cited(number: int, hit: Hit) -> Citation:
    quote = first_sentence(hit)
    return Citation(
        number=number,
        quote=quote,
        verdict="found",
        document_id=hit.document_id,
        chunk_id=hit.chunk_id,
        uri=hit.uri,
        title=hit.title,
        source=hit.source,
        start=0,
        end=len(quote),
    )


class FakeState:
    """Everything in dictionaries under one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._conversations: dict[str, Conversation] = {}
        self._cache: dict[str, tuple[str, float]] = {}
        self._claims: dict[str, float] = {}
        self._receipts: dict[str, tuple[str, Receipt]] = {}
        self._feedback: dict[tuple[str, str], Feedback] = {}
        self.failure: Exception | None = None

    def create_conversation(self, owner: str, title: str = "") -> Conversation:
        made = Conversation(id=str(uuid4()), owner=owner, title=title, created_at=now(), updated_at=now())
        with self._lock:
            self._conversations[made.id] = made
        return made

    def conversation(self, owner: str, conversation_id: str) -> Conversation | None:
        found = self._conversations.get(conversation_id)
        return found if found and found.owner == owner else None

    def conversations(self, owner: str, limit: int = 100) -> Sequence[Conversation]:
        with self._lock:
            mine = [one.model_copy(update={"turns": ()}) for one in self._conversations.values() if one.owner == owner]
        return sorted(mine, key=lambda one: one.updated_at, reverse=True)[:limit]

    def add_turn(self, owner: str, conversation_id: str, turn: Turn, documents: Collection[str] = ()) -> None:
        with self._lock:
            found = self.conversation(owner, conversation_id)
            if found is None:
                raise UsageError(f"there is no conversation {conversation_id}")
            update = {"turns": (*found.turns, turn), "updated_at": now(), "title": found.title or turn.question}
            self._conversations[found.id] = found.model_copy(update=update)

    def delete_conversation(self, owner: str, conversation_id: str) -> bool:
        with self._lock:
            return bool(self.conversation(owner, conversation_id) and self._conversations.pop(conversation_id))

    def cached(self, key: str) -> str | None:
        text, until = self._cache.get(key, ("", 0.0))
        return text if until > time.monotonic() else None

    def cache(self, key: str, value: str, seconds: float, documents: Collection[str] = ()) -> None:
        self._cache[key] = (value, time.monotonic() + seconds)

    def claim(self, key: str, seconds: float) -> bool:
        with self._lock:
            if self._claims.get(key, 0.0) > time.monotonic():
                return False
            self._claims[key] = time.monotonic() + seconds
            return True

    def release(self, key: str) -> None:
        self._claims.pop(key, None)
        self._cache.pop(key, None)

    def keep_receipt(self, owner: str, receipt: Receipt, documents: Collection[str] = ()) -> None:
        self._receipts[receipt.answer.id] = (owner, receipt)

    def receipt(self, owner: str | None, answer_id: str) -> Receipt | None:
        whose, receipt = self._receipts.get(answer_id, ("", None))
        return receipt if owner is None or whose == owner else None

    def add_feedback(self, feedback: Feedback) -> None:
        self._feedback[feedback.answer_id, feedback.owner] = feedback

    def feedback(self, answer_id: str) -> Sequence[Feedback]:
        return [thought for (about, _), thought in self._feedback.items() if about == answer_id]

    def forget_documents(self, document_ids: Collection[str]) -> int:
        return 0

    def quoting(self, document_ids: Collection[str]) -> Sequence[str]:
        return ()

    def compact(self) -> None: ...

    def ping(self) -> None:
        if self.failure:
            raise self.failure

    def close(self) -> None: ...


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
