"""What a cleaner that looks at whole documents found in one."""

from dataclasses import dataclass, field, replace

from llm_engineering.domain.documents import CleanedDocument, Metadata


@dataclass(frozen=True)
class Findings:
    """A document as it was, and what is to change: None leaves it. `outcome` is for the report, never with a value.

    A `rejected` in the outcome is the reason for which nothing of the document is indexed.
    """

    document: CleanedDocument
    text: str | None = None
    title: str | None = None
    metadata: Metadata | None = None
    outcome: Metadata = field(default_factory=dict)

    @property
    def result(self) -> CleanedDocument:
        """The document with the changes; one that is rejected is empty."""
        document = self.document
        outcome = {**document.outcome, **self.outcome}
        if "rejected" in outcome:
            return replace(document, text="", title="", metadata={}, outcome=outcome)
        return replace(
            document,
            text=document.text if self.text is None else self.text,
            title=document.title if self.title is None else self.title,
            metadata=document.metadata if self.metadata is None else self.metadata,
            outcome=outcome,
        )
