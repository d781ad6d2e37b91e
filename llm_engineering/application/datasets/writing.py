"""Pairs from a language model that writes questions for passages. What it wrote is kept, so nothing is paid twice."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from loguru import logger
from pydantic import Field

from llm_engineering.application.answering.prompting import Prompt
from llm_engineering.application.answering.templates import open_template
from llm_engineering.application.datasets.corpus import Passage
from llm_engineering.application.datasets.material import Material, Written, filter_of
from llm_engineering.application.datasets.splitting import fraction
from llm_engineering.application.text.words import word_count
from llm_engineering.domain.datasets import AskedQuestion, Reply
from llm_engineering.domain.errors import BudgetExceeded, LLMEngineeringError
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.llms import LlmRequest
from llm_engineering.domain.ports import Llm, ReplyJournal
from llm_engineering.domain.value import Value, digest

PROMPT = Path(__file__).parent / "prompts" / "questions-1.jinja"
LONGEST = 400  # characters of a question
MOST_INCIDENTS = 100


class Writing(Value):
    """Kind `llm`: questions that a language model writes for passages."""

    kind: Literal["llm"] = "llm"
    llm: str = Field("", description="one of `llms`; empty: the first one")
    passages: int = Field(200, ge=1, description="passages that it reads, chosen by hash: a larger number adds to them")
    each: int = Field(2, ge=1, le=10, description="questions for a passage")
    most: int = Field(3, ge=1, description="what is asked of more documents says nothing of any: `What is this?`")
    words: int = Field(20, ge=0, description="shorter passages are passed over")
    filters: tuple[str, ...] = Field((), description="metadata that searches are limited by, for example [course]")
    max_tokens: int = Field(300, ge=16, le=8_192, description="of a reply")
    temperature: float = Field(0.0, ge=0, le=2)
    concurrency: int = Field(4, ge=1, le=256, description="passages that are read at once")
    prompt_file: Path | None = Field(None, description="a template of your own, with the blocks system and user")

    def asked(self, material: Material) -> Iterator[AskedQuestion]:
        """Yield what the model wrote."""
        written = material.write(self, self.chosen(material.corpus.passages))
        material.written.append(written)
        found = [
            AskedQuestion(question, (passage.document_id,), "llm", filter_of(passage, self.filters), passage.id)
            for passage, reply in written.replies
            for question in questions_in(reply.text, self.each)
        ]
        yield from material.telling(found, self.most)

    def chosen(self, passages: Sequence[Passage]) -> list[Passage]:
        """Return the passages to read."""
        long = [passage for passage in passages if word_count(passage.body) >= self.words]
        return sorted(long, key=lambda passage: (fraction("read", passage.id), passage.id))[: self.passages]

    def open_prompt(self) -> Prompt:
        """Return the template.

        Raises:
            UsageError: the file cannot be read, is no template, or lacks what it needs.
        """
        variables = {"passage": "", "title": "", "count": self.each, "boundary": ""}
        return open_template(self.prompt_file or PROMPT, variables, "passage")

    def request(self, passage: Passage, prompt: Prompt) -> LlmRequest:
        """Return what the model is asked for a passage."""
        # The mark has to be the same in every run, or nothing that was paid for would be found again.
        boundary = digest(["boundary", passage.id, passage.text])[:12]
        messages = prompt.render(passage=passage.text, title=passage.title, count=self.each, boundary=boundary)
        return LlmRequest(
            messages=messages,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            json_schema=schema(self.each),
            documents=(passage.document_id,),
        )


def schema(most: int) -> dict[str, Any]:
    """Return the JSON Schema of a reply."""
    questions = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": most}
    return {
        "type": "object",
        "properties": {"questions": questions},
        "required": ["questions"],
        "additionalProperties": False,
    }


def questions_in(text: str, most: int) -> list[str]:
    """Return the distinct questions of a reply, on one line each; what is none of sensible length is left out."""
    try:
        given = json.loads(text)["questions"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    texts = (" ".join(one.split()) for one in given if isinstance(one, str)) if isinstance(given, list) else ()
    return list(dict.fromkeys(one for one in texts if 2 < len(one) <= LONGEST))[:most]


def key_of(request: LlmRequest, model: object) -> str:
    """Identify a request to a model, under which its reply is kept."""
    return digest([model, request.model_dump(mode="json", exclude={"documents"})])


@dataclass
class _Work:
    spec: Writing
    prompt: Prompt
    llm: Llm
    model: object
    journal: ReplyJournal
    written: Written


async def write_all(
    spec: Writing, passages: Sequence[Passage], llm: Llm, model: object, journal: ReplyJournal
) -> Written:
    """Let a model write questions for passages, several at once; each reply is kept as soon as it is there.

    A passage whose reply fails is an incident, and the others go on. A spent budget ends it: what is being asked is
    awaited, nothing new begins.

    Args:
        spec: How it is asked.
        passages: What it reads.
        llm: The model, opened for this event loop.
        model: What tells it apart from others whose replies the journal keeps.
        journal: What it wrote before.

    Raises:
        BackendError: the journal cannot be written.
    """
    work = _Work(spec, spec.open_prompt(), llm, model, journal, Written())
    waiting = iter(passages)
    async with asyncio.TaskGroup() as group:
        for _ in range(spec.concurrency):
            group.create_task(_write(work, waiting))
    order = {passage.id: place for place, passage in enumerate(passages)}
    work.written.replies.sort(key=lambda pair: order[pair[0].id])
    if work.written.stopped:
        logger.warning("the model wrote no more: {}", work.written.stopped)
    return work.written


async def _write(work: _Work, waiting: Iterator[Passage]) -> None:
    for passage in waiting:
        request = work.spec.request(passage, work.prompt)
        key = key_of(request, work.model)
        if (known := work.journal.find(key)) is not None:
            work.written.resumed += 1
            work.written.replies.append((passage, known))
        elif work.written.stopped:
            work.written.unasked += 1
        else:
            await _ask(work, passage, request, key)
        await asyncio.sleep(0)


async def _ask(work: _Work, passage: Passage, request: LlmRequest, key: str) -> None:
    written = work.written
    try:
        completion = await work.llm.complete(request)
    except BudgetExceeded as error:
        written.stopped = written.stopped or str(error)
        written.unasked += 1
        return
    except LLMEngineeringError as error:
        if len(written.failures) < MOST_INCIDENTS:
            reason = type(error).__name__
            written.failures.append(
                Incident(uri=passage.document_id, source="llm", reason=reason, detail=str(error)[:500])
            )
        return
    reply = Reply(key, passage.document_id, completion.text)
    work.journal.keep(reply)
    written.usage = written.usage + completion.usage
    written.replies.append((passage, reply))
