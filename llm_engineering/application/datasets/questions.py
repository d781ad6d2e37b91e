"""Pairs from questions that somebody asked, with the documents that answer them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from llm_engineering.application.datasets.material import Material
from llm_engineering.domain.datasets import AskedQuestion
from llm_engineering.domain.value import Value


class Questions(Value):
    """Kind `questions`: a CSV or JSONL file of questions with the documents that answer them."""

    kind: Literal["questions"] = "questions"
    file: Path = Field(description="CSV or JSONL file")
    question: str = Field("question", min_length=1, description="column that holds the question")
    document: str = Field("document", min_length=1, description="column that names the documents, as in `gate`")
    filters: tuple[str, ...] = Field((), description="columns to limit the search by, for example [course]")
    split: str = Field("split", min_length=1, description="column that says the split, with dataset.splits: column")

    def asked(self, material: Material) -> Iterator[AskedQuestion]:
        """Yield the questions whose documents the index holds."""
        questions, splits = material.read(self)
        for question, documents, split in zip(questions, material.relevant(questions), splits, strict=True):
            found = tuple(sorted(documents & material.corpus.documents.keys()))
            if not found:
                material.drop("unknown_document")
                continue
            yield AskedQuestion(question.text, found, "question", dict(question.filter), split=split)
