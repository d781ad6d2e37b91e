"""Drafts from a language model: what it is asked, and what is read from its replies."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from llm_engineering.application.answering.prompting import Prompt
from llm_engineering.application.answering.templates import open_template
from llm_engineering.application.datasets.corpus import Passage
from llm_engineering.application.datasets.splitting import fraction
from llm_engineering.application.instructions.material import Inquiry, Material
from llm_engineering.application.instructions.replies import ANSWER, Fields, answer_in, counted, items_in, schema_of
from llm_engineering.application.instructions.structure import Sectioned
from llm_engineering.application.text.words import word_count
from llm_engineering.domain.instructions import Draft
from llm_engineering.domain.llms import LlmRequest
from llm_engineering.domain.value import Value, digest

FOLDER = Path(__file__).parent / "prompts"
# A question that is written for more of them is of none, and would tie them all into one cluster.
MOST_DOCUMENTS = 3
# A question that only someone can understand who has the passage before them.
_REFERRING = re.compile(
    r"\b(?:th(?:is|e|at) (?:passage|text|excerpt|extract|paragraph|section above|document above|author|article)"
    r"|(?:mentioned|described|shown|given|listed|discussed) (?:above|below|here)|according to (?:it|this|the text))\b",
    re.IGNORECASE,
)


class Asking(Value):
    """How a model is asked."""

    # A model that is asked again would say the same again, were it not for this.
    warmer: ClassVar[float] = 0.2

    llm: str = Field("", description="one of `llms`; empty: the first one")
    max_tokens: int = Field(800, ge=16, le=32_768, description="of a reply")
    temperature: float = Field(0.0, ge=0, le=2)
    concurrency: int = Field(4, ge=1, le=256, description="inquiries at once")
    attempts: int = Field(2, ge=1, le=10, description="how often is asked where no reply can be read")


class Reading(Asking):
    """A model that reads passages."""

    passages: int = Field(200, ge=1, description="passages that it reads, chosen by hash: a larger number adds to them")
    each: int = Field(2, ge=1, le=10, description="questions for a passage")
    least: int = Field(20, ge=0, description="passages of fewer words are passed over")
    prompt_file: Path | None = Field(None, description="a template of your own, with the blocks system and user")

    default: ClassVar[str]
    fields: ClassVar[Fields]

    def prompts(self) -> list[Prompt]:
        """Return the templates.

        Raises:
            UsageError: one cannot be read, or lacks what it needs.
        """
        variables = {"passage": "", "title": "", "count": self.each, "boundary": ""}
        return [open_template(self.prompt_file or FOLDER / self.default, variables, "passage")]

    def chosen(self, passages: Sequence[Passage]) -> list[Passage]:
        """Return the passages to read."""
        long = [passage for passage in passages if word_count(passage.body) >= self.least]
        return sorted(long, key=lambda passage: (fraction("read", passage.id), passage.id))[: self.passages]

    def inquiries(self, passages: Sequence[Passage]) -> list[Inquiry]:
        """Return what the model is asked for passages."""
        prompt = self.prompts()[0]
        schema = schema_of(self.fields, self.each)
        found = []
        for passage in passages:
            # The mark has to be the same in every run, or nothing that was paid for would be found again.
            boundary = digest(["boundary", passage.id, passage.text])[:12]
            shown = {"passage": passage.text, "title": passage.title, "count": self.each, "boundary": boundary}
            found.append(_inquiry(self, passage.document_id, prompt, schema, shown))
        return found

    def written(self, material: Material) -> Iterator[tuple[Passage, dict[str, str], str]]:
        """Yield each item that the model wrote, with its passage and the model's name."""
        chosen = self.chosen(material.corpus.passages)
        replies = material.asked(self, self.inquiries(chosen), lambda text: counted(items_in(text, self.fields)))
        found = [
            (chosen[number], item)
            for number in sorted(replies.texts)
            for item in items_in(replies.texts[number], self.fields)[0][: self.each]
        ]
        documents: dict[str, set[str]] = defaultdict(set)
        for passage, item in found:
            documents[item["question"].casefold()].add(passage.document_id)
        for passage, item in found:
            if _REFERRING.search(item["question"]):
                material.dropped["not_self_contained"] += 1
            elif len(documents[item["question"].casefold()]) > MOST_DOCUMENTS:
                material.dropped["names_many_documents"] += 1
            else:
                yield passage, item, replies.model


class Instructing(Reading):
    """Kind `llm`: questions and answers that a model writes for passages."""

    kind: Literal["llm"] = "llm"
    default: ClassVar[str] = "instructions-1.jinja"
    fields: ClassVar[Fields] = ("question", "answer")

    def drafts(self, material: Material) -> Iterator[Draft]:
        """Yield what the model wrote."""
        for passage, item, model in self.written(material):
            yield _draft(passage, item["question"], item["answer"], model)


class Comparing(Reading):
    """Kind `llm`, of preferences: a question, an extract that answers it, and an answer in the model's own words."""

    kind: Literal["llm"] = "llm"
    unread: bool = Field(
        False, description="let the worse answer be one that the model gives without the passage (a second request)"
    )
    unread_prompt_file: Path | None = Field(None, description="a template of your own for these requests")
    default: ClassVar[str] = "preferences-1.jinja"
    fields: ClassVar[Fields] = ("question", "extract", "answer")

    @model_validator(mode="after")
    def _reads_its_prompt(self) -> Self:
        if self.unread_prompt_file and not self.unread:
            raise ValueError("unread_prompt_file is never read without unread: true; set that, or leave the file out")
        return self

    def prompts(self) -> list[Prompt]:
        unread = [_unread_prompt(self.unread_prompt_file)] if self.unread else []
        return [*super().prompts(), *unread]

    def drafts(self, material: Material) -> Iterator[Draft]:
        """Yield what the model wrote."""
        found = [
            replace(_draft(passage, item["question"], item["extract"], model), rejected=item["answer"])
            for passage, item, model in self.written(material)
        ]
        return iter(answered_unread(self, found, self.prompts()[1], material) if self.unread else found)


class Answering(Sectioned, Asking):
    """Kind `answering`: questions of the structure, against what a model answers without having read anything."""

    kind: Literal["answering"] = "answering"
    most: int = Field(200, ge=1, description="questions that it answers, chosen by hash")
    prompt_file: Path | None = Field(None, description="a template of your own, with the blocks system and user")

    def prompts(self) -> list[Prompt]:
        """Return the template.

        Raises:
            UsageError: it cannot be read, or lacks what it needs.
        """
        return [_unread_prompt(self.prompt_file)]

    def chosen(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Return the questions to answer."""
        ordered = sorted(drafts, key=lambda one: (fraction("answer", one.document_id, one.instruction), one.start))
        return ordered[: self.most]

    def drafts(self, material: Material) -> Iterator[Draft]:
        chosen = self.chosen(list(super().drafts(material)))
        return iter(answered_unread(self, chosen, self.prompts()[0], material))


def unread_inquiries(spec: Asking, drafts: Sequence[Draft], prompt: Prompt) -> list[Inquiry]:
    """Return what a model is asked that answers questions without a passage, about as long as the better answers."""
    return [
        _inquiry(spec, one.document_id, prompt, ANSWER, {"question": one.instruction, "words": _rounded(one.answer)})
        for one in drafts
    ]


def answered_unread(spec: Asking, drafts: Sequence[Draft], prompt: Prompt, material: Material) -> list[Draft]:
    """Return the drafts with what a model answers without having read anything; those without a reply are left out."""
    inquiries = unread_inquiries(spec, drafts, prompt)
    replies = material.asked(spec, inquiries, lambda text: (1, 0) if answer_in(text) else (0, 1))
    return [
        replace(drafts[number], rejected=answer_in(text), writer=replies.model)
        for number, text in sorted(replies.texts.items())
    ]


def _unread_prompt(file: Path | None) -> Prompt:
    return open_template(file or FOLDER / "unread-1.jinja", {"question": "", "words": 50}, "question")


def _rounded(answer: str) -> int:
    """Return about how many words an answer has, so that length does not tell which of two is better."""
    return max(10, round(word_count(answer), -1))


def _inquiry(
    spec: Asking, document_id: str, prompt: Prompt, schema: dict[str, Any], variables: dict[str, object]
) -> Inquiry:
    request = LlmRequest(
        messages=prompt.render(**variables),
        max_tokens=spec.max_tokens,
        temperature=spec.temperature,
        json_schema=schema,
        documents=(document_id,),
    )
    return Inquiry(document_id, request)


def _draft(passage: Passage, question: str, answer: str, writer: str) -> Draft:
    return Draft(
        instruction=question,
        answer=answer,
        document_id=passage.document_id,
        chunk_id=passage.id,
        passage=passage.text,
        origin="llm",
        source=passage.source,
        writer=writer,
        tenant=passage.tenant,
    )
