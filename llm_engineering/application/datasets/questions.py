"""Pairs from questions that somebody asked, with the documents that answer them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from loguru import logger
from pydantic import Field

from llm_engineering.application.datasets.material import Material
from llm_engineering.domain.datasets import AskedQuestion
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import Value


class Questions(Value):
    """Kind `questions`: a CSV, TSV or JSONL file of questions with the documents that answer them."""

    kind: Literal["questions"] = "questions"
    file: Path = Field(description="CSV, TSV or JSONL file")
    question: str = Field("question", min_length=1, description="column that holds the question")
    document: str = Field("document", min_length=1, description="column that names the documents, as in `gate`")
    filters: tuple[str, ...] = Field((), description="columns to limit the search by, for example [course]")
    split: str = Field("split", min_length=1, description="column that says the split, with dataset.splits: column")

    def asked(self, material: Material) -> Iterator[AskedQuestion]:
        """Yield the questions whose documents the index holds.

        Raises:
            UsageError: it holds those of none.
        """
        questions, splits = material.read(self)
        unknown: list[str] = []
        for question, documents, split in zip(questions, material.relevant(questions), splits, strict=True):
            found = tuple(sorted(documents & material.corpus.documents.keys()))
            if not found:
                material.drop("unknown_document")
                unknown.append(", ".join(map(repr, question.documents[:3])))
                continue
            yield AskedQuestion(question.text, found, "question", dict(question.filter), split=split)
        if unknown:
            self._tell(unknown, len(questions))

    def _tell(self, unknown: Sequence[str], questions: int) -> None:
        """Log how many questions were left out, or refuse the file if all of them were."""
        names = "; ".join(dict.fromkeys(unknown[:3]))
        if len(unknown) == questions:
            raise UsageError(
                f"none of the {questions} questions in {self.file} names a document of the index ({questions} unknown "
                f"document(s)): column {self.document!r} says {names}. A document is named by its id, its URI, the end "
                "of it, or its record key; give the questions of this corpus, or set `document` to the column that "
                "names their documents"
            )
        logger.warning(
            "{} of {} questions in {} name no document of the index and are left out; column {!r} says {}",
            len(unknown),
            questions,
            self.file,
            self.document,
            names,
        )
