"""Pairs from what documents say of themselves: questions of a FAQ, titles, headings. No model is needed."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from llm_engineering.application.chunking.sizing import SEPARATOR
from llm_engineering.application.datasets.corpus import Passage
from llm_engineering.application.datasets.material import Material, filter_of
from llm_engineering.application.datasets.splitting import fraction
from llm_engineering.application.text.words import word_count
from llm_engineering.domain.datasets import AskedQuestion
from llm_engineering.domain.value import Value

_NUMBERING = re.compile(r"^(?:#+\s*|\(?\d+(?:\.\d+)*[.)]?\s+|[-*•]\s+)")

_MARKDOWN_HEADING = re.compile(r"#{1,6}[ \t]+(\S.*)")


class Structure(Value):
    """Kind `structure`: titles, headings, and fields that hold a question."""

    kind: Literal["structure"] = "structure"
    fields: tuple[str, ...] = Field(("question",), description="metadata that hold a question")
    titles: bool = Field(True, description="titles that are questions, or of enough words to name a topic")
    headings: bool = Field(True, description="the same of the heading right above a passage")
    words: int = Field(3, ge=1, description="words that name a topic, where there is no question mark")
    most: int = Field(3, ge=1, description="what more documents are called says nothing: `Introduction`, `Notes`")
    filters: tuple[str, ...] = Field((), description="metadata that searches are limited by, for example [course]")
    hide: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of the passages that lose the words of their question; else copying is all that is learnt",
    )

    def asked(self, material: Material) -> Iterator[AskedQuestion]:
        """Yield what documents are called, or ask themselves."""
        found = [one for passages in material.corpus.documents.values() for one in self._of(passages)]
        yield from material.telling(found, self.most)

    def _of(self, passages: Sequence[Passage]) -> Iterator[AskedQuestion]:
        """Yield the questions of one document, each once."""
        seen: set[str] = set()
        for origin, text, passage, is_sure in self._texts(passages):
            question = _NUMBERING.sub("", " ".join(text.split())).strip()
            folded = question.casefold()
            if folded in seen or not (is_sure or self._asks(question)):
                continue
            seen.add(folded)
            chosen = passage.id if origin == "heading" else ""
            limits = filter_of(passage, self.filters)
            hide = text if fraction("hide", passage.document_id, question) < self.hide else ""
            yield AskedQuestion(question, (passage.document_id,), origin, limits, chosen, hide=hide)

    def _texts(self, passages: Sequence[Passage]) -> Iterator[tuple[str, str, Passage, bool]]:
        first = passages[0]
        for name in self.fields:
            if isinstance(value := first.metadata.get(name), str) and value.strip():
                yield "faq", value, first, True
        if self.titles and first.title.strip():
            yield "faq" if first.title.rstrip().endswith("?") else "title", first.title, first, False
        if self.headings:
            for passage in passages:
                if (heading := _heading(passage)) != first.title:
                    yield "heading", heading, passage, False

    def _asks(self, text: str) -> bool:
        return text.endswith(("?", "？", "؟")) or word_count(text) >= self.words


def _heading(passage: Passage) -> str:
    """Return the heading right above a passage: its first line, or the innermost one that it is told as context."""
    if found := _MARKDOWN_HEADING.match(passage.body.lstrip()):
        return found[1].strip()
    return passage.context.rpartition(SEPARATOR)[2].strip()


def without(passage: str, question: str) -> str:
    """Return a passage less the words of a question, wherever they stand in it as a whole.

    >>> without("ml What is tea? It is a drink.", "What is  tea?")
    'ml It is a drink.'
    """
    pattern = r"\s+".join(map(re.escape, question.split()))
    if not pattern:
        return passage
    return re.sub(rf"[ \t]*{pattern}[ \t]*", " ", passage, flags=re.IGNORECASE).strip()
