"""One document that a cleaner or chunker stumbles over is told in the report, and all others go on.

What our own code raises on purpose (a function that cannot be imported, a service that failed) concerns every document,
and ends the run.
"""

from dataclasses import dataclass

from llm_engineering.application.chunking import Chunker
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import CleanedDocument, Document
from llm_engineering.domain.errors import LLMEngineeringError, UsageError
from llm_engineering.domain.ports import SubwordTokenizer
from llm_engineering.domain.secrets import redact

CLEANER, CHUNKER = "cleaner_failed", "chunker_failed"
# Where so many documents are done and not one of them succeeds, the mistake is not in the documents.
EVERY = 10
_MOST_SAID = 200
# A message that quotes so many characters of its document is shown without them.
_QUOTED = 12
# Errors of this process rather than of a document.
_OURS = (LLMEngineeringError, MemoryError)


@dataclass(frozen=True, slots=True)
class Broken:
    """A document that could not be cut, and why."""

    document_id: str
    detail: str


def cleaned(cleaning: Cleaning, document: Document) -> CleanedDocument:
    """Clean a document; one that a cleaner raises on is empty, and its outcome says why.

    `failed` in the outcome: nothing is known of its text, so what the index has of it stays.
    """
    try:
        return cleaning.clean(document)
    except _OURS:
        raise
    except Exception as error:  # noqa: BLE001 - a function of the user's may raise anything
        detail = said(error, document.text, document.title)
        return CleanedDocument(
            id=document.id,
            uri=document.uri,
            source=document.source,
            format=document.format,
            text="",
            title="",
            content_hash=document.content_hash,
            outcome={"rejected": CLEANER, "detail": detail, "failed": True},
        )


def cut(chunker: Chunker, document: CleanedDocument, tokenizer: SubwordTokenizer) -> list[Chunk] | Broken:
    """Return the chunks of a document, all of them, or why there are none."""
    try:
        return list(chunker.chunk(document, tokenizer))
    except _OURS:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        return Broken(document.id, said(error, document.text, document.title))


@dataclass
class Attempts:
    """How many documents were tried, how many failed, and why the last one did."""

    what: str
    tried: int = 0
    failed: int = 0
    last: str = ""

    def note(self, detail: str = "") -> None:
        """Count a document; a detail says why it failed."""
        self.tried += 1
        if detail:
            self.failed, self.last = self.failed + 1, detail

    def judge(self) -> None:
        """Look whether all documents failed.

        Raises:
            UsageError: many were tried, and not one succeeded.
        """
        if self.failed == self.tried >= EVERY:
            raise UsageError(
                f"{self.what} failed for all {self.tried} documents, the last time with {self.last}; correct the "
                "function or its settings. The index stays as it was"
            )


def said(error: Exception, *texts: str) -> str:
    """Return the type of an error and its message, less what the message quotes of the texts.

    >>> said(ValueError("cannot read 'Once upon a time'"), "Once upon a time there was")
    "ValueError: cannot read '…'"
    """
    message = " ".join(str(error).split())[: 4 * _MOST_SAID]
    for text in texts:
        message = _without(message, " ".join(text.split()))
    return redact(f"{type(error).__name__}: {message}"[:_MOST_SAID].rstrip(": "))


def _without(message: str, text: str) -> str:
    width = min(_QUOTED, len(text))
    if not width:
        return message
    kept, place = "", 0
    while place < len(message):
        end = place + width
        if end > len(message) or message[place:end] not in text:
            kept, place = kept + message[place], place + 1
            continue
        while end < len(message) and message[place : end + 1] in text:
            end += 1
        kept, place = f"{kept}…", end
    return kept
