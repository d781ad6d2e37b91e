"""Data sets for language models: instructions with answers, and pairs of a better and a worse answer."""

from dataclasses import dataclass


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

    Its other fields are those of an `Instruction`; `writer` is the model that wrote the worse answer.
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
