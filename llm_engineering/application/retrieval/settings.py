"""Section `retrieval`: how passages are found."""

from typing import Literal

from pydantic import Field

from llm_engineering.application.retrieval.answerability import Answerability
from llm_engineering.application.retrieval.expansion import Expansion
from llm_engineering.application.retrieval.fusion import Fusion, Interpolation
from llm_engineering.application.retrieval.iterative import Iterative
from llm_engineering.application.retrieval.mmr import Mmr
from llm_engineering.application.retrieval.neighbours import Neighbours
from llm_engineering.application.retrieval.parents import Parents
from llm_engineering.application.retrieval.self_query import SelfQuery
from llm_engineering.domain.value import Value

POOL = 50
EACH = 4


class Retrieval(Value):
    """How passages are found. What is null is left out."""

    mode: Literal["dense", "sparse", "hybrid"] = Field(
        "hybrid", description="dense = by meaning, sparse = by words (BM25), hybrid = both, fused"
    )
    fusion: Fusion = Field(default_factory=Interpolation, description="how hybrid search mixes the two rankings")
    pool: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="candidates of each method before fusion; empty = 4 for each hit, at least 50",
    )
    k: int = Field(5, ge=1, le=1_000, description="hits to return")
    self_query: SelfQuery | None = Field(None, description="limit the search to values that the question names")
    expansion: Expansion | None = Field(None, description="also ask in other words")
    iterative: Iterative | None = Field(None, description="ask again until enough was found")
    neighbours: Neighbours | None = Field(
        None, description="also look one step further in the entity graph; the run needs a section `graph`"
    )
    mmr: Mmr | None = Field(None, description="leave out hits that say what a better one says")
    parents: Parents | None = Field(None, description="give each hit the wider passage around it")
    answerability: Answerability | None = Field(
        default_factory=Answerability, description="say when the sources do not answer the question"
    )

    def depth(self, wanted: int) -> int:
        """Return how many candidates each method looks for."""
        return max(self.pool or max(EACH * wanted, POOL), wanted)
