"""Section `evaluation`: which questions are asked, what is counted, and how sure a difference has to be."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from llm_engineering.domain.value import Value

Metric = Literal["hit", "mrr", "ndcg", "recall", "map"]
Share = Annotated[float, Field(gt=0, lt=1)]


class EvaluationSettings(Value):
    """Section `evaluation`."""

    name: str = Field("", description="name of the evaluation; empty: that of the collection")
    dataset: str = Field("", description="data set whose held-out questions are asked: NAME or NAME@VERSION")
    split: Literal["train", "validation", "test"] = Field("test", description="split of the data set")
    questions: Path | None = Field(None, description="CSV or JSONL of questions with the documents that answer them")
    question: str = Field("question", min_length=1, description="column that holds the question")
    document: str = Field("document", min_length=1, description="column that names the documents, as in `gate`")
    filters: tuple[str, ...] = Field((), description="columns to limit the search by, for example [course]")
    slices: tuple[str, ...] = Field(("source", "length", "filter"), description="groups that are reported apart")
    metrics: tuple[Metric, ...] = Field(("hit", "mrr", "ndcg", "recall", "map"), min_length=1)
    k: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field((1, 5, 10), min_length=1, description="ranks to look at")
    confidence: Share = Field(0.95, description="of the intervals, and of what counts as shown")
    power: Share = Field(0.8, description="chance to show a difference of the size that is called detectable")
    resamples: int = Field(2_000, ge=100, le=100_000, description="bootstrap samples and random signs")
    matters: Share = Field(0.03, description="a difference that would matter; less of it may be called the same")
    seed: int = Field(0, ge=0)
    against: str = Field("", description="evaluation to compare with: its id or name; empty: none")
    failures: int = Field(50, ge=0, le=1_000, description="questions without an answer that the report lists")
