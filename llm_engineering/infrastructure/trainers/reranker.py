"""Fine-tune a cross-encoder that reranks."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from llm_engineering.domain.datasets import DatasetRow, RetrievalPair
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import ModelKind
from llm_engineering.domain.training import Trained, TrainingData, Watch, unwatched
from llm_engineering.infrastructure.embedders.sentence_transformers import DEFAULT_MODEL
from llm_engineering.infrastructure.trainers.finished import finished, keep_finished
from llm_engineering.infrastructure.trainers.held_out import check_rows
from llm_engineering.infrastructure.trainers.optimising import Optimising


class RerankerTrainer(Optimising):
    """Fine-tune a cross-encoder; a base that is no cross-encoder gets a fresh head upon its encoder."""

    kind: Literal["reranker"] = "reranker"
    makes: ClassVar[ModelKind] = "reranker"
    learns_from: ClassVar[type[DatasetRow]] = RetrievalPair
    base: str = Field(
        DEFAULT_MODEL, min_length=1, description="model to begin with: a cross-encoder, or an encoder to make one of"
    )
    batch: int = Field(16, ge=1, le=65_536, description="questions in a batch, each with its passages")
    negatives: int = Field(4, ge=1, le=64, description="mined negatives of a question that are read with it")
    loss: Literal["listwise", "binary"] = Field(
        "listwise", description="passages of a question against each other, or each pair by itself"
    )
    max_tokens: int = Field(
        256, ge=16, le=131_072, description="question and passage together; passages lose their end"
    )

    def train(self, data: TrainingData[RetrievalPair], folder: Path, home: Path, watch: Watch = unwatched) -> Trained:
        """Train on the rows, leave the model in the folder (`model`), and return how it went.

        Raises:
            UsageError: rows that may not be learned from, no negatives, or a base that cannot be loaded.
        """
        check_rows(data)
        if not any(row.negatives for row in data.train):
            raise UsageError(
                f"data set {data.reference} has no mined negatives; a reranker learns nothing without them"
            )
        if known := finished(folder):
            return known
        from llm_engineering.infrastructure.trainers.reranker_run import RerankerRun

        return keep_finished(folder, RerankerRun(self, data, folder, home).finish(watch))
