"""The making of one answer, stage by stage."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from typing import cast

from loguru import logger

from llm_engineering.application.answering import drafting
from llm_engineering.application.answering.drafting import Draft, Evidence
from llm_engineering.application.answering.exits import Outlet
from llm_engineering.application.answering.failing import failed, time_of_a_model
from llm_engineering.application.answering.generating import Generation, secret_of
from llm_engineering.application.answering.history import completed, recent, rewritten
from llm_engineering.application.answering.injection import is_injected
from llm_engineering.application.answering.keeping import CUT, LEAK, cache, cached, with_receipt
from llm_engineering.application.answering.keys import answer_key
from llm_engineering.application.answering.leaks import Redactor
from llm_engineering.application.answering.numbered import numbered
from llm_engineering.application.answering.prompt_passages import PromptPassage, prompt_passages
from llm_engineering.application.answering.reply import AnswerPart
from llm_engineering.application.answering.tools import Tools
from llm_engineering.application.text.stems import Language
from llm_engineering.domain.answers import Answer, AnswerEvent, Finished, Piece, Question, Sources, Versions
from llm_engineering.domain.errors import BackendError, BudgetExceeded, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.llms import LlmRequest, Usage
from llm_engineering.domain.ports import Llm
from llm_engineering.domain.queries import Found, Retrieved

LLM_FAILED, UNKNOWN_FIELD = "llm_failed", "unknown_field"
_CONDENSED_TOKENS = 120
# What of an answer's time a model may take to rewrite a question.
_FOR_THE_QUESTION = 0.25


@dataclass
class Making:
    """Makes one answer and emits its events."""

    tools: Tools
    question: Question
    answer_id: str
    llm: Llm | None
    emit: Callable[[AnswerEvent], None]
    seconds: dict[str, float] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    flags: list[str] = field(default_factory=list)
    began: float = field(default=0.0, init=False)

    async def make(self) -> None:
        """Search, answer, check, keep the receipt."""
        self.began = asyncio.get_running_loop().time()
        with self._timed("query"):
            query = await self._query()
        found, evidence = await asyncio.to_thread(self._found, query)
        retrieved = found.retrieved
        self.emit(Sources(self.answer_id, retrieved))
        versions = self._versions(retrieved, found.manifest)
        answer = await self._generated(evidence, retrieved, versions) if self._worth_asking(retrieved) else None
        if answer is None:
            with self._timed("answer"):
                draft = await asyncio.to_thread(_quoted if retrieved.answerable else drafting.nothing_draft, evidence)
            self.emit(Piece(draft.text))
            versions = versions.model_copy(update={"llm": "", "prompt": "", "prompt_hash": ""})
            answer = self._answer(draft, retrieved, versions)
        answer = await with_receipt(self.tools, self.question, answer, found)
        self.emit(Finished(answer, retrieved.hits))

    def _worth_asking(self, retrieved: Retrieved) -> bool:
        return self.llm is not None and retrieved.answerable and bool(retrieved.hits)

    async def _query(self) -> str:
        """Return the question as it can be understood without its history."""
        question, settings = self.question, self.tools.settings
        if not question.history:
            return question.text
        by_rules = completed(question.text, question.history)
        if self.llm is None or settings.condense == "rules" or not recent(question.history):
            return by_rules
        messages = self.tools.condense.render(turns=recent(question.history), question=question.text)
        try:
            async with asyncio.timeout(_FOR_THE_QUESTION * settings.timeout):
                reply = await self.llm.complete(
                    LlmRequest(messages=messages, max_tokens=_CONDENSED_TOKENS, documents=None)
                )
        except (BackendError, BudgetExceeded, UsageError, TimeoutError) as error:
            logger.warning("the model did not rewrite the question, rules do: {}", error)
            return by_rules
        self.usage += reply.usage
        return rewritten(reply.text) or by_rules

    def _found(self, query: str) -> tuple[Found, Evidence]:
        """Search, and number the passages."""
        asked = self.question
        with self._timed("search"):
            found = self.tools.searcher.look_up(query, access=asked.access, filter=asked.filter, k=asked.k)
        retrieved = found.retrieved
        passages = numbered(retrieved.hits, asked.k or self.tools.settings.passages, found.documents)
        read = {passage.hit.document_id for passage in passages}
        documents = {name: document for name, document in found.documents.items() if name in read}
        self.flags += [UNKNOWN_FIELD] if retrieved.warnings else []
        self.flags += [f"injection:{one.hit.chunk_id}" for one in passages if is_injected(one.text)]
        judged = retrieved.confidence is not None
        evidence = Evidence(query, passages, documents, self.tools.settings, _language(found.manifest), judged)
        return found, evidence

    async def _generated(self, evidence: Evidence, retrieved: Retrieved, versions: Versions) -> Answer | None:
        """Return the answer of the model, or None if quotes must do."""
        llm, settings = self.llm, self.tools.settings
        neutralise = settings.injection == "neutralise"
        with self._timed("prompt"):
            passages = await asyncio.to_thread(
                prompt_passages,
                evidence.passages,
                settings.passage_tokens,
                neutralise=neutralise,
                count=getattr(self.llm, "count_tokens", None) or self.tools.count,
            )
        if llm is None or not passages:
            return None
        key = answer_key(
            self.question, evidence.question, retrieved, passages, llm.card, self.tools.prompt.digest, settings
        )
        if kept := await cached(self.tools, key):
            self.emit(Piece(kept.text))
            return kept.model_copy(
                update={"id": self.answer_id, "cached": True, "usage": self.usage, "seconds": self.seconds}
            )
        read = {passage.number for passage in passages}
        evidence = replace(evidence, passages=[one for one in evidence.passages if one.number in read])
        generation = self._generation(llm, evidence, passages)
        if not await self._shown(generation):
            return None
        draft = await self._checked(generation, evidence)
        if generation.completion is not None:  # it may be of one of the model's `fallback`
            versions = versions.model_copy(update={"llm": generation.completion.model})
        answer = self._answer(draft, retrieved, versions)
        await cache(self.tools, key, answer, evidence.documents.keys())
        return answer

    def _generation(self, llm: Llm, evidence: Evidence, passages: Sequence[PromptPassage]) -> Generation:
        """Return what the model is to write from the passages that fit its prompt, not begun yet."""
        settings = self.tools.settings
        boundary = secrets.token_hex(8)
        messages = self.tools.prompt.render(passages=passages, question=evidence.question, boundary=boundary)
        request = LlmRequest(
            messages=messages,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            documents=tuple(evidence.documents),
            whole=self.question.whole,
        )
        inert = evidence.inert if settings.links == "passages" else ()
        outlet = Outlet({passage.number for passage in passages}, evidence.uris, inert)
        return Generation(llm, request, AnswerPart(), Redactor(secret_of(messages)), outlet)

    async def _checked(self, generation: Generation, evidence: Evidence) -> Draft:
        """Return what the model wrote, with its quotes looked up, and note what it took and what went wrong."""
        with self._timed("check"):
            draft = await asyncio.to_thread(drafting.checked_draft, evidence, generation.reply)
        completion = generation.completion
        if completion is not None:
            self.usage += completion.usage
            self.flags += [CUT] if completion.finish == "length" else []
        self.flags += [LEAK] if generation.redactor.leaked else []
        if not self._is_read(generation):
            self.emit(Piece(draft.text))
        return draft

    async def _shown(self, generation: Generation) -> bool:
        """Emit the pieces as they come, if anybody reads them; tell whether the model wrote to its end. A model that
        fails or is too slow is stood in for, where the settings say so and nothing of it has been read.

        Raises:
            BackendError: the model failed; its `reason` is `llm_failed`.
            TimeoutError: it was too slow.
        """
        settings = self.tools.settings
        stands_in, given_up = settings.llm_failure != "break", self.began + time_of_a_model(settings.timeout)
        with self._timed("llm"):
            try:
                async with (
                    asyncio.timeout_at(given_up if stands_in else None) as limit,
                    aclosing(generation.pieces()) as pieces,
                ):
                    async for piece in pieces:
                        if self._is_read(generation):
                            limit.reschedule(None)
                            self.emit(Piece(piece))
            # A refused key is a UsageError of the model: whoever runs this can mend it, whoever asks cannot.
            except (BackendError, BudgetExceeded, UsageError, TimeoutError) as error:
                if self._is_read(generation) or not stands_in:
                    if isinstance(error, BudgetExceeded | TimeoutError):
                        raise
                    raise failed(error) from error
                why = str(error) or f"no answer within {asyncio.get_running_loop().time() - self.began:.1f} s"
                logger.warning("the model {} failed, quotes stand in for it: {}", generation.llm.card.name, why)
                self.flags.append(LLM_FAILED)
                return False
        return True

    def _is_read(self, generation: Generation) -> bool:
        """Tell whether somebody has read some of what the model writes."""
        return generation.shown and not self.question.whole

    def _answer(self, draft: Draft, retrieved: Retrieved, versions: Versions) -> Answer:
        return Answer(
            id=self.answer_id,
            question=self.question.text,
            text=draft.text,
            outcome=draft.outcome,
            citations=draft.citations,
            confidence=retrieved.confidence,
            flags=tuple(dict.fromkeys((*self.flags, *draft.flags))),
            warnings=retrieved.warnings,
            versions=versions,
            usage=self.usage,
            seconds=dict(self.seconds),
        )

    def _versions(self, retrieved: Retrieved, manifest: IndexManifest) -> Versions:
        return Versions(
            collection=self.tools.collection,
            index=retrieved.version or manifest.version,
            embedder=manifest.model.name,
            llm=self.llm.card.name if self.llm else "",
            prompt=self.tools.prompt.name,
            prompt_hash=self.tools.prompt.digest,
        )

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began


def _quoted(evidence: Evidence) -> Draft:
    return drafting.quoted_draft(evidence)


def _language(manifest: IndexManifest) -> Language:
    """Return the language that the index was tokenized for."""
    tokenizing = manifest.settings.get("tokenizing")
    language = tokenizing.get("language", "english") if isinstance(tokenizing, dict) else "english"
    return cast("Language", language)
