"""Data sets for training: what a model learns from, which rows it may learn from, and what is known about them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import Field

from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.instructions import GateFigure, Instruction, Preference
from llm_engineering.domain.llms import Usage
from llm_engineering.domain.value import Scalar, Value


class Split(StrEnum):
    """What a row may be used for. Documents, and documents that nearly repeat each other, are never in two splits."""

    TRAIN = "train"  # to learn from
    VALIDATION = "validation"  # to stop and to choose by
    TEST = "test"  # held out: to judge with, once; every trainer refuses these rows


@dataclass(frozen=True)
class AskedQuestion:
    """A question on its way into a data set: the ids of the documents that answer it, and where it comes from.

    `chunk_id` is the passage that it was made from; empty: the best one of the document is still to be found. `hide`
    are words of the passage that give the question away. `split` is where it is to be; empty: where its documents are.
    """

    question: str
    documents: tuple[str, ...]
    origin: str
    filter: Metadata = field(default_factory=dict)
    chunk_id: str = ""
    hide: str = ""
    split: str = ""


@dataclass(frozen=True)
class RetrievalPair:
    """A question with a passage that answers it, and passages that look alike and do not.

    `origin` is where the question comes from: question (asked by somebody), title, heading, faq, llm. `documents` are
    the ids of all documents that answer it, `document_id` is the one of the passage. `filter` is JSON: what a search
    for it is limited to. `cluster` is the same for all rows whose documents nearly repeat each other.
    `negative_documents` are the documents of the negatives, one for each, so that these can be forgotten, too.
    """

    id: str
    question: str
    document_id: str
    chunk_id: str
    passage: str
    documents: tuple[str, ...]
    negatives: tuple[str, ...]
    negative_ids: tuple[str, ...]
    origin: str
    source: str
    filter: str
    cluster: str
    split: str
    negative_documents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """What a language model wrote about a passage of a document; `key` identifies model and request."""

    key: str
    document_id: str
    text: str


DatasetRow = RetrievalPair | Instruction | Preference
# What the rows of a data set are, by the kind that its card names.
DATASET_ROWS: Mapping[str, type[DatasetRow]] = {
    "retrieval": RetrievalPair,
    "instruction": Instruction,
    "preference": Preference,
}


def documents_of(rows: Iterable[DatasetRow]) -> set[str]:
    """Return the ids of all documents that rows were made from, negatives included."""
    found: set[str] = set()
    for row in rows:
        found.add(row.document_id)
        if isinstance(row, RetrievalPair):
            found.update(row.documents, row.negative_documents)
        if isinstance(row, Preference):
            found.add(row.rejected_document)
    return found - {""}


def documents_learned(rows: Iterable[DatasetRow]) -> set[str]:
    """Return the ids of the documents that rows teach; those of negatives only look alike."""
    return {
        document
        for row in rows
        for document in (row.document_id, *(row.documents if isinstance(row, RetrievalPair) else ()))
    }


@dataclass(frozen=True)
class HeldQuestion:
    """A question of a data set to evaluate with: the documents that answer it, and what its search is limited to."""

    id: str
    text: str
    documents: tuple[str, ...]
    filter: Mapping[str, Scalar] = field(default_factory=dict)
    source: str = ""


class WritingEstimate(Value):
    """What a model would be asked to write questions for, and about what that takes at most.

    Of the passages, the replies to `known` are there already. `cost` is in US dollars; None: the price is not known.
    """

    model: str
    passages: int
    known: int
    input_tokens: int
    output_tokens: int
    cost: float | None

    def __str__(self) -> str:
        cost = "at an unknown price" if self.cost is None else f"{self.cost:.4f} US dollars"
        return (
            f"{self.model} reads {self.passages - self.known} of {self.passages} passages ({self.known} are known): "
            f"about {self.input_tokens} tokens in, at most {self.output_tokens} out, {cost}"
        )


class DatasetPlan(Value):
    """What a run makes a data set of: an index version, and the account of the questions that were collected.

    `dropped` counts by reason, `stopped` says which budget was spent, if one was; `failures` are passages that a model
    failed for.
    """

    run: int
    collection: str
    version: str
    fingerprint: str
    questions: dict[str, int] = Field(default_factory=dict)
    dropped: dict[str, int] = Field(default_factory=dict)
    usage: Usage = Usage()
    resumed: int = 0
    unasked: int = 0
    stopped: str = ""
    failures: tuple[Incident, ...] = ()

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """The failures, and the passages that were not read because a budget was spent as one more."""
        if not self.unasked:
            return self.failures
        detail = f"{self.unasked} passages were not read: {self.stopped}. Run again to ask only for these"
        return (*self.failures, Incident(uri="dataset.pairs", source="llm", reason="budget", detail=detail))


class DatasetMining(Value):
    """The account of the mining: questions dropped, by reason, and how many negatives a row has on average."""

    dropped: dict[str, int] = Field(default_factory=dict)
    negatives: float = 0.0


class DatasetSifting(Value):
    """The account of the gates: drafts dropped, by reason, and what each gate measured."""

    dropped: dict[str, int] = Field(default_factory=dict)
    gates: tuple[GateFigure, ...] = ()


class DatasetCard(Value):
    """What is known about a version of a data set. `digest` covers the rows, so it says whether they are these.

    `kind` says what its rows are (`DATASET_ROWS`): retrieval, instruction or preference.
    `rows` counts by split, `origins` by origin, `dropped` by reason. `index` is the index version (collection, version,
    fingerprint) whose passages it holds, `sources` the sources of its documents. `licence` and `users` (who may use
    it; empty: everybody) are the user's words. `gates` are the figures that a data set for language models passed with.
    """

    name: str
    version: str
    digest: str
    kind: str = "retrieval"
    rows: dict[str, int] = Field(default_factory=dict)
    origins: dict[str, int] = Field(default_factory=dict)
    dropped: dict[str, int] = Field(default_factory=dict)
    documents: int = 0
    clusters: int = 0
    sources: tuple[str, ...] = ()
    index: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, object] = Field(default_factory=dict)
    licence: str = ""
    users: tuple[str, ...] = ()
    gates: tuple[GateFigure, ...] = ()
    cost: float = 0.0
    run: int = 0
    created_at: str = ""

    @property
    def reference(self) -> str:
        """The name by which a version is asked for."""
        return f"{self.name}@{self.version}"
