"""Cleaning: an ordered list of cleaners, each of which takes a text and its format and returns a text.

Cleaning keeps code, Markdown structure, URLs, punctuation and every language. Cleaning what is clean changes nothing.
"""

from typing import Annotated

from pydantic import Field

from llm_engineering.application.cleaning.boilerplate import Boilerplate
from llm_engineering.application.cleaning.own_function import PythonCleaner
from llm_engineering.application.cleaning.unicode import Unicode
from llm_engineering.application.cleaning.whitespace import Whitespace
from llm_engineering.domain.documents import CleanedDocument, Document, Format
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import Value

__all__ = ["Boilerplate", "Cleaner", "Cleaning", "PythonCleaner", "Unicode", "Whitespace"]

Cleaner = Annotated[Unicode | Boilerplate | Whitespace | PythonCleaner, Field(discriminator="kind")]

_MOST_ROUNDS = 200  # more than any text needs; a cleaner of one's own may never come to an end


class Cleaning(Value):
    """Which cleaners work on a document, in which order."""

    cleaners: tuple[Cleaner, ...] = Field(
        (Unicode(), Boilerplate(), Whitespace()), description="applied in this order, until nothing changes any more"
    )

    def clean(self, document: Document) -> CleanedDocument:
        """Return the document with its text and title cleaned. The text may be empty afterwards."""
        return CleanedDocument(
            id=document.id,
            uri=document.uri,
            source=document.source,
            format=document.format,
            text=self.clean_text(document.text, document.format),
            title=" ".join(Unicode().clean(document.title, "text").split()),
            content_hash=document.content_hash,
            metadata=document.metadata,
        )

    def clean_text(self, text: str, format: Format) -> str:
        """Return the text after all cleaners. Repeated until stable: one cleaner may uncover work for another.

        Raises:
            UsageError: the cleaners never come to an end.
        """
        for _ in range(_MOST_ROUNDS):
            cleaned = text
            for cleaner in self.cleaners:
                cleaned = cleaner.clean(cleaned, format)
            if cleaned == text:
                return cleaned
            text = cleaned
        kinds = ", ".join(cleaner.kind for cleaner in self.cleaners)
        raise UsageError(f"the cleaners ({kinds}) change the text for ever; what is clean must stay as it is")
