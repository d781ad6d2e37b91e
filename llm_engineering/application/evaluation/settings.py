"""Section `evaluation`: which questions are asked, what is counted, and how sure a difference has to be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from llm_engineering.application.evaluation.intervals import Interval
from llm_engineering.domain.value import Value

Metric = Literal["hit", "mrr", "ndcg", "recall", "map"]
Share = Annotated[float, Field(gt=0, lt=1)]
DEEPEST = 100


def split_name(name: str) -> tuple[str, int]:
    """Return metric and rank of a name.

    >>> split_name("ndcg@10")
    ('ndcg', 10)

    Raises:
        ValueError: there is no such metric, or the rank is none.
    """
    metric, _, rank = name.partition("@")
    if metric not in get_args(Metric) or not rank.isascii() or not rank.isdigit() or not 1 <= int(rank) <= DEEPEST:
        known = ", ".join(get_args(Metric))
        raise ValueError(f"{name!r} is no metric; write one of {known}, then @ and a rank up to {DEEPEST}: ndcg@10")
    return metric, int(rank)


class EvaluationSettings(Value):
    """Section `evaluation`."""

    name: str = Field("", max_length=100, description="name of the evaluation; empty: that of the collection")
    dataset: str = Field("", description="data set whose held-out questions are asked: NAME or NAME@VERSION")
    split: Literal["train", "validation", "test"] = Field("test", description="split of the data set")
    questions: Path | None = Field(
        None, description="CSV, TSV or JSONL of questions with the documents that answer them"
    )
    question: str = Field("question", min_length=1, description="column that holds the question")
    document: str = Field("document", min_length=1, description="column that names the documents, as in `gate`")
    filters: tuple[str, ...] = Field((), description="columns to limit the search by, for example [course]")
    index_version: str = Field("", description="index version to ask, for example v3; empty: the active one")
    slices: tuple[str, ...] = Field(
        ("source", "length", "filter"), description="groups that are reported apart; also the key of one filter"
    )
    metrics: tuple[Metric, ...] = Field(("hit", "mrr", "ndcg", "recall", "map"), min_length=1)
    k: tuple[Annotated[int, Field(ge=1, le=DEEPEST)], ...] = Field(
        (1, 5, 10), min_length=1, description="ranks to look at"
    )
    compared: tuple[str, ...] = Field(
        ("hit@5", "mrr@5", "ndcg@10"),
        min_length=1,
        description="metrics that comparisons are made on; each one more makes the correction for all stricter",
    )
    confidence: Share = Field(0.95, description="of the intervals, and of what counts as shown")
    power: Share = Field(0.8, description="chance to show a difference of the size that is called detectable")
    resamples: int = Field(2_000, ge=100, le=100_000, description="bootstrap samples and random signs")
    matters: Share = Field(0.03, description="a difference that would matter; less of it may be called the same")
    fewest: int = Field(
        30, ge=2, description="groups of questions about different documents that a comparison needs to say anything"
    )
    seed: int = Field(0, ge=0)
    against: str = Field("", description="evaluation to compare with: its id or name; empty: none")
    before: str = Field("", description="index version to ask the same questions and compare with, for example v2")
    failures: int = Field(50, ge=0, le=1_000, description="questions without an answer that the report lists")

    @field_validator("compared")
    @classmethod
    def _are_metrics(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            split_name(name)
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if self.dataset and self.questions:
            raise ValueError("give `dataset` or `questions`, not both: an evaluation asks the questions of one of them")
        if self.against and self.before:
            raise ValueError("give `against` (a former evaluation) or `before` (an index version), not both")
        return self

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics that are reported, each at each rank, and those that are compared."""
        every = [f"{metric}@{k}" for metric in self.metrics for k in sorted(set(self.k))]
        return tuple(dict.fromkeys([*every, *self.compared]))

    @property
    def depth(self) -> int:
        """How many documents have to be looked at."""
        return depth_of(self.metric_names)

    def interval(self, least: float, largest: float) -> Interval:
        """Return what the intervals of figures between two bounds are to be like."""
        return Interval(self.confidence, self.resamples, self.seed, least, largest)


def depth_of(names: Sequence[str]) -> int:
    """Return how many documents the metrics look at."""
    return max(split_name(name)[1] for name in names)
