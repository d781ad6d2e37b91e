"""Tune the settings of the search by successive halving."""

from typing import ClassVar, Literal

from llm_engineering.domain.datasets import DatasetRow, RetrievalPair
from llm_engineering.domain.models import ModelKind
from llm_engineering.domain.tuning import TuningSettings


class RetrievalTuner(TuningSettings):
    """Tune the settings of the search by successive halving: fusion, pool, reranker's share, threshold, chunk size.

    There are no weights, so there is nothing to open: `stages.tune_retrieval` asks the index and does the arithmetic.
    """

    kind: Literal["retrieval"] = "retrieval"
    makes: ClassVar[ModelKind] = "retrieval"
    learns_from: ClassVar[type[DatasetRow]] = RetrievalPair
