"""A small world for answers: documents in memory, a searcher over them, an assistant of real parts."""

import asyncio
import math
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

from llm_engineering.application.answering import Answering
from llm_engineering.application.answering.assistant import GroundedAssistant
from llm_engineering.application.answering.prompting import open_prompt
from llm_engineering.application.answering.tools import Tools
from llm_engineering.application.text.words import stems
from llm_engineering.domain.access import Access
from llm_engineering.domain.answers import AnswerEvent, Broken, Finished, Piece, Question, Receipt, Sources
from llm_engineering.domain.conditions import Filter, both, condition_of
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.llms import Completion, Delta, LlmCard, LlmRequest, Usage
from llm_engineering.domain.ports import Llm
from llm_engineering.domain.queries import Found, Hit, Retrieved
from llm_engineering.infrastructure.vector_stores.conditions.matching import fulfils

MANIFEST = IndexManifest(
    version="v1", fingerprint="f", model=ModelCard(name="words", digest="d", dimension=8, max_tokens=256)
)


def document(
    text: str, name: str = "one", *, title: str = "", source: str = "docs", tenant: str = "", uri: str = ""
) -> CleanedDocument:
    """Return a document; its id is its name."""
    metadata = {"tenant": tenant} if tenant else {}
    uri = uri or f"https://docs.test/{name}"
    return CleanedDocument(name, uri, source, "text", text, title, f"hash of {text}", metadata)


class Library:
    """A searcher over documents in memory: each is one passage, found by the rarity of the words it shares."""

    def __init__(self, *documents: CleanedDocument, answerable: bool = True, confidence: float | None = None) -> None:
        self.stored = {one.id: one for one in documents}
        self.answerable, self.confidence = answerable, confidence
        self.asked: list[str] = []
        self.version = MANIFEST.version
        self._lock = threading.Lock()

    def search(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Retrieved:
        with self._lock:
            self.asked.append(query)
        condition = both(access.condition, condition_of(filter))
        seen = [one for one in self.stored.values() if fulfils(_payload(one), condition)]
        counts = Counter(term for one in seen for term in set(stems(f"{one.title} {one.text}")))
        wanted = set(stems(query))
        scores = {
            one.id: sum(
                math.log(1 + len(seen) / counts[term]) for term in wanted & set(stems(f"{one.title} {one.text}"))
            )
            for one in seen
        }
        best = sorted(seen, key=lambda one: (-scores[one.id], one.id))[: k or 5]
        hits = tuple(self._hit(one, scores[one.id]) for one in best)
        return Retrieved(query, hits, self.answerable, self.confidence, self.version)

    @staticmethod
    def _hit(one: CleanedDocument, score: float) -> Hit:
        chunk = f"chunk-{one.id}-{hash(one.text)}"
        end = len(one.text)
        return Hit(chunk, score, one.id, one.uri, one.title, 0, end, one.text, one.metadata, source=one.source)

    def manifest(self) -> IndexManifest:
        return MANIFEST.model_copy(update={"version": self.version})

    def look_up(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Found:
        found = self.search(query, access=access, filter=filter, k=k)
        return Found(found, self.documents([hit.document_id for hit in found.hits], access), self.manifest())

    def document(self, document_id: str, access: Access) -> CleanedDocument | None:
        return self.documents([document_id], access).get(document_id)

    def documents(self, document_ids: Collection[str], access: Access) -> dict[str, CleanedDocument]:
        found = (self.stored[one] for one in document_ids if one in self.stored)
        return {one.id: one for one in found if fulfils(_payload(one), access.condition)}

    def close(self) -> None:
        """Nothing is open."""


def _payload(one: CleanedDocument) -> dict[str, object]:
    return {"source": one.source, "uri": one.uri, "title": one.title, "metadata": dict(one.metadata)}


class Shelf:
    """The part of an assistant's state that answers need, in memory."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.receipts: dict[str, tuple[str, Receipt]] = {}
        self.documents: dict[str, frozenset[str]] = {}

    def cached(self, key: str) -> str | None:
        return self.texts.get(key)

    def cache(self, key: str, value: str, seconds: float, documents: Collection[str] = ()) -> None:
        self.texts[key] = value

    def keep_receipt(self, owner: str, receipt: Receipt, documents: Collection[str] = ()) -> None:
        self.receipts[receipt.answer.id] = (owner, receipt)
        self.documents[receipt.answer.id] = frozenset(documents)

    def receipt(self, owner: str | None, answer_id: str) -> Receipt | None:
        kept = self.receipts.get(answer_id)
        return kept[1] if kept and owner in (None, kept[0]) else None


class Speaker:
    """A model that replies what a function makes of the request, in pieces of a few characters."""

    def __init__(self, reply: "str | Callable[[LlmRequest], str]", name: str = "speaker", size: int = 7) -> None:
        self.card = LlmCard(name=name, provider="test", input_price=1.0, output_price=1.0)
        self._reply = reply if callable(reply) else lambda _: reply
        self._size = size
        self.requests: list[LlmRequest] = []
        self.closed_early = False

    async def complete(self, request: LlmRequest) -> Completion:
        self.requests.append(request)
        text = self._reply(request)
        return Completion(
            text=text, model=self.card.name, usage=Usage(calls=1, input_tokens=9, output_tokens=3, cost=0.1)
        )

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        completion = await self.complete(request)
        ended = False
        try:
            for at in range(0, len(completion.text), self._size):
                await asyncio.sleep(0)
                yield Delta(completion.text[at : at + self._size])
            ended = True
            yield completion
        finally:
            self.closed_early = not ended

    async def close(self) -> None:
        """Nothing is open."""


def assistant(library: Library, *llms: Llm, state: object | None = None, **settings: object) -> GroundedAssistant:
    """Return an assistant over a library; without models it answers with quotes."""
    section = Answering.model_validate(settings)
    tools = Tools(
        searcher=library,
        settings=section,
        prompt=open_prompt(section.prompt, section.prompt_file),
        condense=open_prompt("condense/1"),
        state=state,  # type: ignore[arg-type]
        collection="test",
    )
    return GroundedAssistant(tools, {llm.card.name: llm for llm in llms})


async def events_of(asked: GroundedAssistant, question: Question) -> list[AnswerEvent]:
    return [event async for event in asked.answer(question)]


def ask(asked: GroundedAssistant, question: str | Question, **more: object) -> "Heard":
    """Ask, and return what was heard."""
    if isinstance(question, str):
        question = Question.model_validate({"text": question, **more})
    return Heard(asyncio.run(events_of(asked, question)))


class Heard:
    """The events of an answer, by kind."""

    def __init__(self, events: Sequence[AnswerEvent]) -> None:
        self.events = events
        self.sources = next((event for event in events if isinstance(event, Sources)), None)
        self.streamed = "".join(event.text for event in events if isinstance(event, Piece))
        last = events[-1]
        self.broken = last if isinstance(last, Broken) else None
        self.finished = last if isinstance(last, Finished) else None

    @property
    def answer(self):  # type: ignore[no-untyped-def]
        assert self.finished is not None, self.broken
        return self.finished.answer

    @property
    def verdicts(self) -> Mapping[int, str]:
        return {citation.number: citation.verdict for citation in self.answer.citations}
