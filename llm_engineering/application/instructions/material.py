"""What drafts are made of, and the account of what came of them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llm_engineering.application.datasets.corpus import Corpus, Passage
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.llms import LlmRequest, Usage

if TYPE_CHECKING:
    from llm_engineering.application.instructions.writing import Asking


@dataclass(frozen=True)
class Inquiry:
    """What a model is asked about a document; `passage` names it in reports."""

    document_id: str
    request: LlmRequest


@dataclass
class Replies:
    """What became of inquiries: number of the inquiry → the text of a reply in which something could be read."""

    model: str = ""
    texts: dict[int, str] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    resumed: int = 0
    unasked: int = 0
    stopped: str = ""
    failures: list[Incident] = field(default_factory=list)
    failed: int = 0


# What a reply holds: how many items can be read, and how many cannot.
Count = Callable[[str], tuple[int, int]]
Ask = Callable[["Asking", Sequence[Inquiry], Count], Replies]


@dataclass
class Material:
    """The corpus with the texts of its documents, and how a model is asked."""

    corpus: Corpus
    texts: Mapping[str, CleanedDocument]
    ask: Ask
    dropped: Counter[str] = field(default_factory=Counter)
    replies: list[Replies] = field(default_factory=list)

    def asked(self, section: "Asking", inquiries: Sequence[Inquiry], count: Count) -> Replies:
        """Return what a model said to inquiries, and keep the account of it."""
        found = self.ask(section, inquiries, count)
        self.replies.append(found)
        return found

    def passage_at(self, document_id: str, start: int, end: int) -> Passage:
        """Return the passage of a document that has most of [start, end)."""

        def common(passage: Passage) -> int:
            return min(end, passage.start + len(passage.body)) - max(start, passage.start)

        return max(self.corpus.documents[document_id], key=common)
