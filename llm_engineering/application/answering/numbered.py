"""The passages of an answer: numbered as the hits are, each a stretch of a cleaned document."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from llm_engineering.application.answering.units import code_units, units
from llm_engineering.application.text.spans import Span
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.queries import Hit

_LONGEST_TITLE = 300


@dataclass(frozen=True)
class Numbered:
    """A passage with its number, the rank of its hit: `text` is the cleaned document from `start` on."""

    number: int
    hit: Hit
    text: str
    start: int
    is_code: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def body(self) -> int:
        """Where the passage stops repeating its own title: a record begins with the question that it answers."""
        title = self.hit.title.strip()
        if not title or len(title) > _LONGEST_TITLE or self.start > 0:
            return 0
        known = sum(len(str(value)) + 2 for value in self.hit.metadata.values()) + len(title)
        at = self.text.find(title, 0, known + len(title))
        return at + len(title) if at >= 0 and self.text[at + len(title) :].strip() else 0

    @property
    def units(self) -> list[Span]:
        """What can be quoted of it, without the title: spans of its text."""
        return list(self._units())

    @property
    def first(self) -> Span:
        """The first of what can be quoted; the whole text where nothing can."""
        return next(self._units(), Span(0, len(self.text)))

    def _units(self) -> Iterator[Span]:
        return code_units(self.text) if self.is_code else units(self.text, self.body)


def numbered(
    hits: Sequence[Hit], most: int, documents: Mapping[str, CleanedDocument] = MappingProxyType({})
) -> list[Numbered]:
    """Return the passages of the best hits, the wider ones where there are any; none lies in one before it. Of which
    format they are, their documents tell."""
    found: list[Numbered] = []
    for number, hit in enumerate(hits[:most], start=1):
        start, text = (hit.parent.start, hit.parent.text) if hit.parent else (hit.start, hit.text)
        inside = any(
            other.hit.document_id == hit.document_id and other.start <= start and start + len(text) <= other.end
            for other in found
        )
        if not inside:
            document = documents.get(hit.document_id)
            found.append(Numbered(number, hit, text, start, document is not None and document.format == "code"))
    return found
