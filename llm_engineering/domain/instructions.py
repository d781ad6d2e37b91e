"""Data sets for language models: instructions with answers, and pairs of a better and a worse answer."""

from dataclasses import dataclass

from llm_engineering.domain.value import Value


@dataclass(frozen=True)
class Draft:
    """An instruction with an answer on its way into a data set, before any gate has seen it.

    [start, end) is where the answer stands in the text of its document; both are -1 for one that a model worded itself.
    `extract` is what a model says that the document says, and has to be looked up; `rejected` is a worse answer of a
    model. The other fields are those of an `Instruction`.
    """

    instruction: str
    answer: str
    document_id: str
    chunk_id: str
    passage: str
    origin: str
    source: str
    writer: str = ""
    tenant: str = ""
    start: int = -1
    end: int = -1
    rejected: str = ""


class GateFigure(Value):
    """What a gate measured on a data set: `failed` of `rows` rows did not pass it and were taken out.

    `value` is what is compared with `bound`: the set as a whole is refused where `passed` is false. `note` says in
    words what was measured.
    """

    name: str
    rows: int
    failed: int
    value: float
    bound: float | None = None
    passed: bool = True
    note: str = ""

    def __str__(self) -> str:
        bound = "" if self.bound is None else f" (bound {self.bound:g})"
        return f"{self.name} {self.value:.3f}{bound}{'' if self.passed else ' REFUSED'}" + (
            f": {self.note}" if self.note else ""
        )


@dataclass(frozen=True)
class Instruction:
    """An instruction with the answer that a model is to learn, and the passage that the answer stands in.

    `origin` is where it comes from: faq, heading, llm, or general (a data set that is mixed in; it has no document).
    `writer` is the model that wrote it, empty where no model did.
    `cluster` is the same for all rows whose documents nearly repeat each other; no cluster is in two splits.
    """

    id: str
    instruction: str
    answer: str
    document_id: str
    chunk_id: str
    passage: str
    origin: str
    writer: str
    source: str
    cluster: str
    split: str


@dataclass(frozen=True)
class Preference:
    """An instruction with a better and a worse answer. The better one stands word for word in the document.

    [start, end) is where it stands in the document's text. `writer` is the model that wrote the worse answer. Without
    one, `origin` is faq_other or heading_other: the worse answer is that of a similar question, and stands word for
    word in `rejected_document`. The other fields are those of an `Instruction`.
    """

    id: str
    instruction: str
    chosen: str
    rejected: str
    document_id: str
    chunk_id: str
    passage: str
    origin: str
    writer: str
    source: str
    cluster: str
    split: str
    start: int = 0
    end: int = 0
    rejected_document: str = ""
