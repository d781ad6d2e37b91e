"""Cleaning: an ordered list of cleaners, each of which takes a text and its format and returns a text.

Cleaning keeps code, Markdown structure, URLs, punctuation and every language. Cleaning what is clean changes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from llm_engineering.application.cleaning.boilerplate import Boilerplate
from llm_engineering.application.cleaning.language import Language
from llm_engineering.application.cleaning.own_function import PythonCleaner
from llm_engineering.application.cleaning.pii import Pii
from llm_engineering.application.cleaning.unicode import Unicode
from llm_engineering.application.cleaning.whitespace import Whitespace
from llm_engineering.domain.documents import CleanedDocument, Document, Format
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import Value

__all__ = ["Boilerplate", "Cleaner", "Cleaning", "Language", "Pii", "PythonCleaner", "Unicode", "Whitespace"]

Cleaner = Annotated[Unicode | Boilerplate | Whitespace | Language | Pii | PythonCleaner, Field(discriminator="kind")]

_MOST_ROUNDS = 200  # more than any text needs; a cleaner of one's own may never come to an end


class Cleaning(Value):
    """Which cleaners work on a document, in which order."""

    cleaners: tuple[Cleaner, ...] = Field(
        (Unicode(), Boilerplate(), Whitespace()), description="applied in this order, until nothing changes any more"
    )

    def require(self) -> None:
        """Refuse to go on without an extra that a cleaner needs.

        Raises:
            UsageError: it is not installed.
        """
        for cleaner in self._examiners:
            cleaner.require()

    def clean(self, document: Document) -> CleanedDocument:
        """Return the document with its text and title cleaned. The text may be empty afterwards.

        Cleaners that look at whole documents (`language`, `pii`) do so when all others are done, in their order. One
        that is rejected is empty, and says why in its outcome.
        """
        cleaned = self._cleaned(document)
        for examiner in self._examiners:
            if "rejected" in cleaned.outcome:
                break
            examined = examiner.examined(cleaned).result
            masked = examined.text != cleaned.text
            # What was masked may have made a line that another cleaner drops.
            text = self.clean_text(examined.text, document.format) if masked else examined.text
            cleaned = replace(examined, text=text)
        return cleaned

    def _cleaned(self, document: Document) -> CleanedDocument:
        plain = tuple(cleaner for cleaner in self.cleaners if not isinstance(cleaner, Language | Pii))
        return CleanedDocument(
            id=document.id,
            uri=document.uri,
            source=document.source,
            format=document.format,
            text=_stable(document.text, document.format, plain),
            title=" ".join(Unicode().clean(document.title, "text").split()),
            content_hash=document.content_hash,
            metadata=document.metadata,
        )

    def clean_text(self, text: str, format: Format) -> str:
        """Return the text after all cleaners. Repeated until stable: one cleaner may uncover work for another.

        Raises:
            UsageError: the cleaners never come to an end.
        """
        return _stable(text, format, self.cleaners)

    @property
    def _examiners(self) -> tuple[Language | Pii, ...]:
        return tuple(cleaner for cleaner in self.cleaners if isinstance(cleaner, Language | Pii))


def _stable(text: str, format: Format, cleaners: Sequence[Cleaner]) -> str:
    for _ in range(_MOST_ROUNDS):
        cleaned = text
        for cleaner in cleaners:
            cleaned = cleaner.clean(cleaned, format)
        if cleaned == text:
            return cleaned
        text = cleaned
    kinds = ", ".join(cleaner.kind for cleaner in cleaners)
    raise UsageError(f"the cleaners ({kinds}) change the text for ever; what is clean must stay as it is")
