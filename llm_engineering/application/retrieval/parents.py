"""Parents: a short passage is found, and the wider one around it is read."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from pydantic import Field

from llm_engineering.application.text.spans import paragraphs, trim
from llm_engineering.domain.chunks import PARENT
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.queries import Hit, Passage
from llm_engineering.domain.value import Value

_SPAN = re.compile(r"(\d{1,15})-(\d{1,15})")

Documents = Callable[[Collection[str]], Mapping[str, CleanedDocument]]


class Parents(Value):
    """Give each hit the whole paragraphs around it; hits whose passages run into each other become one.

    A hit of an index with parents of its own (chunker `parent_child`) gets that one.
    """

    characters: int = Field(
        1_500, ge=100, le=100_000, description="length of the wider passage, about, where the index has no parents"
    )

    def widen(self, hits: Sequence[Hit], wanted: int, documents: Documents) -> list[Hit]:
        """Return at most the wanted hits, each with its parent; one whose document is not to be had keeps none.

        A hit that lies within the parent of a better one is left out, and one whose parent meets that of a better one
        is taken into it, as long as both together do not exceed twice the length: the next hits take their places.
        """
        texts = documents({hit.document_id for hit in hits})
        kept: list[Hit] = []
        for hit in hits:
            document = texts.get(hit.document_id)
            if document is None or document.text[hit.start : hit.end] != hit.text:
                grown = hit  # a parent that does not contain its hit would be a lie
            else:
                start, end = stored_parent(document.text, hit) or self._around(document.text, hit)
                if self._taken_in(kept, document, hit, start, end):
                    continue
                grown = replace(hit, parent=Passage(start, end, document.text[start:end]))
            if len(kept) < wanted:
                kept.append(grown)
        return kept

    def _taken_in(self, kept: list[Hit], document: CleanedDocument, hit: Hit, start: int, end: int) -> bool:
        """Let a better hit of the document take this one into its parent, if it is near enough."""
        for place, better in enumerate(kept):
            if better.document_id != hit.document_id or better.parent is None:
                continue
            if better.parent.start <= hit.start and hit.end <= better.parent.end:
                return True
            if PARENT in hit.metadata:
                continue  # parents of an index never overlap, and stay what they are
            low, high = min(start, better.parent.start), max(end, better.parent.end)
            meets = start <= better.parent.end and better.parent.start <= end
            if meets and high - low <= 2 * self.characters:
                kept[place] = replace(better, parent=Passage(low, high, document.text[low:high]))
                return True
        return False

    def _around(self, text: str, hit: Hit) -> tuple[int, int]:
        """Return the span of the hit with as much text on both sides as there is room for, in whole paragraphs."""
        room = max(0, self.characters - (hit.end - hit.start)) // 2
        low, high = max(0, hit.start - room), min(len(text), hit.end + room)
        before = [start for start, _ in paragraphs(text, low, hit.start) if start > low] if low else [0]
        after = [end for _, end in paragraphs(text, hit.end, high) if end < high] if high < len(text) else [high]
        start, end = trim(text, min(before, default=hit.start), max(after, default=hit.end))
        return min(start, hit.start), max(end, hit.end)


def stored_parent(text: str, hit: Hit) -> tuple[int, int] | None:
    """Return the span of the parent that the index knows of a hit; None if it knows none, or one without the hit."""
    found = _SPAN.fullmatch(str(hit.metadata.get(PARENT, "")))
    if found is None:
        return None
    start, end = int(found[1]), int(found[2])
    return (start, end) if start <= hit.start and hit.end <= end <= len(text) else None
