"""Section `dataset`: what a retriever is to learn from."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from llm_engineering.application.datasets.questions import Questions
from llm_engineering.application.datasets.structure import Structure
from llm_engineering.application.datasets.writing import Writing
from llm_engineering.domain.value import Value

Share = Annotated[float, Field(ge=0, le=1)]

# A new kind of pairs is a file beside this one and a member of this union.
Pairs = Annotated[Questions | Structure | Writing, Field(discriminator="kind")]


class Negatives(Value):
    """Passages that look alike and do not answer: which of those that a search finds are taken."""

    count: int = Field(4, ge=0, le=50, description="negatives of a row; there may be fewer")
    first: int = Field(2, ge=1, description="rank of the first document that is looked at")
    last: int = Field(50, ge=1, le=500, description="rank of the last one")
    margin: float = Field(
        0.95, gt=0, le=1, description="share of the positive's score that a negative stays below; else it may answer"
    )

    @model_validator(mode="after")
    def _are_ranks(self) -> Self:
        if self.first > self.last:
            raise ValueError(f"negatives are taken from rank {self.first} to rank {self.last}; put the lower one first")
        return self


class Duplicates(Value):
    """From which likeness on two texts are near-duplicates: Jaccard's of their words, or the cosine of their vectors.

    A cosine of null leaves vectors out of it.
    """

    questions: float = Field(0.7, gt=0, le=1, description="share of words that two questions have in common")
    passages: float = Field(0.8, gt=0, le=1, description="the same of passages")
    question_cosine: float | None = Field(0.95, gt=0, le=1, description="of the vectors of two questions")
    passage_cosine: float | None = Field(0.97, gt=0, le=1, description="of the vectors of two passages")
    boilerplate: int = Field(
        20, ge=1, description="a passage that more documents repeat says nothing of any of them: it is left out"
    )


class Shares(Value):
    """How the clusters of documents are divided. What is left over is for training."""

    validation: Share = 0.1
    test: Share = 0.3

    @model_validator(mode="after")
    def _leave_something(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation {self.validation:g} and test {self.test:g} leave nothing to learn from; keep them below 1"
            )
        return self


class DatasetSettings(Value):
    """Section `dataset`."""

    name: str = Field("retrieval", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", description="name of the data set")
    seed: int = Field(0, ge=0, description="decides which clusters are held out")
    licence: str = Field("", description="what its card says of the licence")
    users: tuple[str, ...] = Field((), description="who may use it; empty: everybody, or the tenants that are named")
    pairs: tuple[Pairs, ...] = Field((Structure(),), min_length=1, description="where questions come from")
    negatives: Negatives = Field(default_factory=Negatives)
    duplicates: Duplicates = Field(default_factory=Duplicates)
    shares: Shares = Field(default_factory=Shares)
    splits: Literal["cluster", "column"] = Field(
        "cluster",
        description="cluster: by hash; column: as the questions' column `split` says, by hash where it says nothing",
    )
    tenants: tuple[str, ...] | None = Field(
        None, description="tenants whose documents it may hold together; null: those of one; '' is nobody's"
    )
