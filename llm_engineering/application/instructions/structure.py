"""Drafts from what documents say of themselves: FAQ entries and sections under headings. No model is needed."""

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, field_validator

from llm_engineering.application.instructions.material import Material
from llm_engineering.application.text.markdown import parse_markdown
from llm_engineering.application.text.spans import Span
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.instructions import Draft
from llm_engineering.domain.value import Value

_QUESTION_MARKS = ("?", "？", "؟")
_NUMBERING = re.compile(r"^(?:\(?\d+(?:\.\d+)*[.)]?\s+|[-*•]\s+)")
# A heading that asks without a question mark.
_ASKING = re.compile(r"(?:how|what|why|when|where|who|which|can|does|do|is|are|should)\b", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# The rest of the line that a question stands in, where it is only punctuation.
_LINE_END = re.compile(r"[^\S\n]*[:.]?[^\S\n]*\n")


class Sectioned(Value):
    """A question that a document asks itself, or a heading, with the text below it, word for word."""

    fields: tuple[str, ...] = Field(("question",), description="metadata that hold a question")
    headings: bool = Field(True, description="headings of Markdown with the text right below them")
    topic: str = Field(
        'Explain "{heading}" ({title}).',
        description="the instruction for a heading that is no question; `{title}` and `{heading}` are filled in",
    )
    alone: str = Field('Explain "{heading}".', description="the same for a heading without a title above it")

    @field_validator("topic", "alone")
    @classmethod
    def _knows_its_names(cls, text: str) -> str:
        if unknown := set(_PLACEHOLDER.findall(text)) - {"title", "heading"}:
            raise ValueError(f"{{{unknown.pop()}}} is none of {{title}} and {{heading}}")
        if "{heading}" not in text:
            raise ValueError("without {heading}, all instructions would be the same; write it where it is to stand")
        return text

    def drafts(self, material: Material) -> Iterator[Draft]:
        """Yield what the documents of a corpus say of themselves."""
        for document_id in material.corpus.documents:
            document = material.texts.get(document_id)
            if document is None:
                material.dropped["no_text"] += 1
                continue
            yield from self._of(document, material)

    def _of(self, document: CleanedDocument, material: Material) -> Iterator[Draft]:
        asked = [str(document.metadata[name]) for name in self.fields if str(document.metadata.get(name, "")).strip()]
        if not asked and document.format != "markdown" and document.title.rstrip().endswith(_QUESTION_MARKS):
            asked = [document.title]
        if asked:
            for question in asked:
                yield _draft(question, "faq", entry(document.text, question), document, material)
        elif self.headings and document.format == "markdown":
            for path, span in sections(document.text):
                question, origin = self._instruction(path, document.title)
                yield _draft(question, origin, span, document, material)

    def _instruction(self, path: tuple[str, ...], title: str) -> tuple[str, str]:
        heading = _NUMBERING.sub("", path[-1])
        if heading.endswith(_QUESTION_MARKS):
            return heading, "faq"
        if _ASKING.match(heading) and len(heading.split()) > 2:
            return heading, "heading"
        above = [part for part in dict.fromkeys([title.strip(), *path[:-1]]) if part and part != path[-1]]
        text = self.topic if above else self.alone
        named = {"title": above[0] if above else "", "heading": " – ".join([*above[1:], heading])}
        return _PLACEHOLDER.sub(lambda found: named[found[1]], text), "heading"


class Sections(Sectioned):
    """Kind `structure`: questions and headings of documents, with the text below them."""

    kind: Literal["structure"] = "structure"


class OtherAnswers(Sectioned):
    """Kind `structure`, of preferences: the same, against the answer to a similar question of the same source."""

    kind: Literal["structure"] = "structure"
    near: float = Field(
        0.85,
        gt=0,
        le=1,
        description="likeness from which on another question may have the same answer: one below it "
        "is taken, if there is one",
    )
    choice: int = Field(5, ge=1, description="of so many similar questions, the answer of the closest length is taken")


def entry(text: str, question: str) -> Span:
    """Return the span of what follows a question in the text of a FAQ entry; all of it, if it does not stand there.

    >>> text = "ml setup What is tea? It is hot."
    >>> text[slice(*entry(text, "What is  tea?"))]
    'It is hot.'
    """
    found = re.search(r"\s+".join(map(re.escape, question.split())), text)
    start = found.end() if found else 0
    if found and (rest := _LINE_END.match(text, start)):
        start = rest.end()
    return _stripped(text, start, len(text))


def sections(text: str) -> Iterator[tuple[tuple[str, ...], Span]]:
    """Yield the headings of a Markdown text, each with those above it, outermost first, and the text below it."""
    blocks = parse_markdown(text)
    path: list[tuple[int, str]] = []
    heads = [number for number, block in enumerate(blocks) if block.kind == "heading"]
    for place, number in enumerate(heads):
        block = blocks[number]
        path = [*((level, title) for level, title in path if level < block.level), (block.level, block.title)]
        last = blocks[heads[place + 1]].start if place + 1 < len(heads) else len(text)
        if block.title and (span := _stripped(text, block.end, last)).end > span.start:
            yield tuple(title for _, title in path), span


def _stripped(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)


def _draft(question: str, origin: str, span: Span, document: CleanedDocument, material: Material) -> Draft:
    passage = material.passage_at(document.id, span.start, span.end)
    answer = document.text[span.start : span.end]
    asked = " ".join(question.split())
    return Draft(
        instruction=asked,
        answer=answer,
        document_id=document.id,
        chunk_id=passage.id,
        passage=f"{asked}\n{answer}",
        origin=origin,
        source=document.source,
        tenant=passage.tenant,
        start=span.start,
        end=span.end,
    )
