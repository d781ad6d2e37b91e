"""An assistant and a searcher over a few documents in memory, for tests of what stands on these ports."""

import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from llm_engineering.bootstrap import Inference
from llm_engineering.domain.access import Access
from llm_engineering.domain.answers import (
    Answer,
    AnswerEvent,
    Broken,
    Citation,
    Finished,
    Piece,
    Question,
    Sources,
    Versions,
)
from llm_engineering.domain.conditions import Filter
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import BackendError, BudgetExceeded, UsageError
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.llms import Usage
from llm_engineering.domain.queries import Found, Hit, Retrieved, StageTrace
from llm_engineering.domain.value import identity

TEXT = "Whales sing at night. The song of a humpback lasts for twenty minutes."


def document(name: str = "whales", text: str = TEXT, source: str = "docs", tenant: str = "") -> CleanedDocument:
    metadata = {"tenant": tenant} if tenant else {}
    return CleanedDocument(identity(name), f"file:///{name}.md", source, "markdown", text, name, "0" * 64, metadata)


class FewDocuments:
    """The port `Searcher`: every document is a passage, all of them are found."""

    def __init__(self, *documents: CleanedDocument) -> None:
        self.all = documents or (document(),)
        self.asked: list[tuple[str, Access, Filter | None, int | None]] = []

    def search(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Retrieved:
        if not query.strip():
            raise UsageError("the query is empty; type what you are looking for")
        self.asked.append((query, access, filter, k))
        hits = tuple(
            Hit(one.id, 0.5, one.id, one.uri, one.title, 0, len(one.text), one.text, source=one.source)
            for one in self.documents([one.id for one in self.all], access).values()
        )
        stages = (
            StageTrace(stage="embed", seconds=0.002, detail={"query": query, "cached": False}),
            StageTrace(stage="dense", seconds=0.003, given=0, left=len(hits)),
            StageTrace(stage="rerank", seconds=0.004, given=len(hits), left=len(hits), detail={"model": "light"}),
        )
        return Retrieved(query, hits[:k], True, 0.75, "v7", stages)

    def manifest(self) -> IndexManifest:
        card = ModelCard(name="hashing", digest="0" * 64, dimension=8, max_tokens=64)
        return IndexManifest(version="v7", fingerprint="0" * 64, model=card)

    def document(self, document_id: str, access: Access) -> CleanedDocument | None:
        return self.documents([document_id], access).get(document_id)

    def documents(self, document_ids: Collection[str], access: Access) -> dict[str, CleanedDocument]:
        def seen(one: CleanedDocument) -> bool:
            tenant = access.tenants is None or one.metadata.get("tenant") in access.tenants
            return tenant and (access.sources is None or one.source in access.sources)

        return {one.id: one for one in self.all if one.id in document_ids and seen(one)}

    def facets(self, access: Access) -> Mapping[str, Mapping[str, int]]:
        return {}

    def look_up(self, query: str, *, access: Access, filter: Filter | None = None, k: int | None = None) -> Found:
        found = self.search(query, access=access, filter=filter, k=k)
        return Found(found, self.documents([hit.document_id for hit in found.hits], access), self.manifest())

    def close(self) -> None: ...


class ScriptedAssistant:
    """The port `Assistant`: what a question says decides what happens to it, and every question is written to a log.

    `fail`, `usage`, `broken`, `vendor`, `silent`, `nothing` in a question do what they say; from the question number
    `budget` on, the budget is spent.
    """

    def __init__(self, searcher: FewDocuments, log: Path | None = None, budget: int = sys.maxsize, pause: float = 0.0):
        self.searcher = searcher
        self.log = log
        self.budget = budget
        self.pause = pause
        self.asked: list[Question] = []
        self.at_once = self.most_at_once = 0
        self.closed = False

    def models(self) -> Sequence[str]:
        return ("scripted", "extractive")

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        self.asked.append(question)
        if len(self.asked) > self.budget:
            raise BudgetExceeded("the budget of 1 US dollar would be passed")
        if self.log:
            with self.log.open("a") as file:
                file.write(question.text + "\n")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.pause)
            async for event in self._events(question):
                yield event
        finally:
            self.at_once -= 1

    async def _events(self, question: Question) -> AsyncIterator[AnswerEvent]:
        number = identity(question.text, str(len(self.asked)))
        found = self.searcher.search(question.text, access=question.access, filter=question.filter, k=question.k)
        yield Sources(number, found)
        if "fail" in question.text:
            raise BackendError("the store failed", transient=True)
        if "usage" in question.text:
            raise UsageError("no payload field of that name")
        if "vendor" in question.text:
            raise RuntimeError("deep in a library")
        if "broken" in question.text:
            yield Broken(number, "llm_failed", "the model hung up; its key is sk-aaaaaaaaaaaaaaaaaaaaaaaa1")
            return
        if "silent" in question.text:
            return
        for word in ("Whales ", "sing [1]."):
            yield Piece(word)
        yield Finished(self._answer(number, question, found), found.hits)

    def _answer(self, number: str, question: Question, found: Retrieved) -> Answer:
        if "nothing" in question.text:
            return Answer(id=number, question=question.text, text="The sources do not say.", outcome="no_answer")
        hit = found.hits[0]
        citation = Citation(
            number=1, quote=TEXT[:21], verdict="found", document_id=hit.document_id, chunk_id=hit.chunk_id,
            uri=hit.uri, title=hit.title, source=hit.source, start=0, end=21,
        )  # fmt: skip
        return Answer(
            id=number,
            question=question.text,
            text="=Whales sing [1].",
            outcome="answered",
            citations=(citation,),
            confidence=found.confidence,
            flags=("injection:x",),
            versions=Versions(collection="test", index="v7", llm="scripted", prompt="answer/1", prompt_hash="ab" * 32),
            usage=Usage(calls=1, input_tokens=100, output_tokens=10, cost=0.001),
            seconds={"query": 0.001, "search": 0.009, "sources": 0.001, "prompt": 0.001, "llm": 0.005, "check": 0.001},
        )

    async def close(self) -> None:
        self.closed = True


def opener(assistant: ScriptedAssistant) -> Any:
    """Return what stages take to open an assistant."""

    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[Inference]:
        yield Inference(assistant, assistant.searcher)

    return opened
