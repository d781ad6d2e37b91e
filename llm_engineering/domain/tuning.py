"""What is tried when a search is tuned."""

from typing import Annotated, Literal

from pydantic import Field

from llm_engineering.domain.value import Value

FusionKind = Literal["interpolation", "zscore", "convex", "rrf"]
Size = Annotated[int, Field(ge=1, le=10_000)]
Weight = Annotated[float, Field(ge=0, le=1)]


class TuningSettings(Value):
    """What is tried, and how sure a gain has to be before it changes anything."""

    seed: int = Field(0, ge=0)
    metric: Literal["mrr", "ndcg"] = Field("mrr", description="what is to become better")
    k: int = Field(10, ge=1, le=100, description="documents that it looks at")
    confidence: float = Field(0.95, gt=0, lt=1, description="how sure a gain on the validation questions has to be")
    origins: tuple[str, ...] = Field(
        ("question", "llm"),
        min_length=1,
        description="rows to learn from; a title or a heading stands in its passage word for word, and would teach "
        "that words are all",
    )
    questions: int = Field(2_000, ge=1, description="the most questions of a split that are asked")
    settings: int = Field(1_000, ge=1, le=100_000, description="the most fusions that are tried")
    fusions: tuple[FusionKind, ...] = Field(("interpolation", "zscore", "convex", "rrf"), description="kinds to try")
    pools: tuple[Size, ...] = Field((20, 30, 50, 75, 100, 150), description="candidates of each method")
    rerank_weights: tuple[Weight, ...] = Field(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        description="shares of the reranker, where the search has one; none: it stays as it is",
    )
    threshold: bool = Field(True, description="whether to find the confidence below which there is no answer")
    may_refuse: float = Field(0.045, ge=0, lt=1, description="share of questions with an answer that it may refuse")
    chunk_tokens: tuple[Annotated[int, Field(ge=8, le=8_192)], ...] = Field(
        (), max_length=8, description="sizes of chunks to try; each takes an index of its own, in memory"
    )
    max_chunks: int = Field(50_000, ge=1, description="the most chunks of such an index")
