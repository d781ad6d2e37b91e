"""Fine-tune an embedder on questions and passages."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from llm_engineering.domain.datasets import DatasetRow, RetrievalPair
from llm_engineering.domain.models import ModelKind
from llm_engineering.domain.training import Trained, TrainingData, Watch, unwatched
from llm_engineering.infrastructure.embedders.sentence_transformers import DEFAULT_MODEL
from llm_engineering.infrastructure.trainers.finished import finished, keep_finished
from llm_engineering.infrastructure.trainers.held_out import check_rows
from llm_engineering.infrastructure.trainers.optimising import Optimising


class EmbedderTrainer(Optimising):
    """Fine-tune an embedder of sentence-transformers: multiple negatives ranking with mined hard negatives."""

    kind: Literal["embedder"] = "embedder"
    makes: ClassVar[ModelKind] = "embedder"
    learns_from: ClassVar[type[DatasetRow]] = RetrievalPair
    base: str = Field(
        DEFAULT_MODEL, min_length=1, description="model to begin with: name on the hub, local folder, or registry:NAME"
    )
    epochs: int = Field(2, ge=1, le=1_000, description="passes over the training rows")
    batch: int = Field(
        32, ge=2, le=65_536, description="rows in a batch, of one scope of search; the others' passages are negatives"
    )
    negatives: int = Field(1, ge=0, le=64, description="mined negatives of a row that are read, others in each epoch")
    scale: float = Field(20.0, gt=0, le=1_000, description="1/temperature of the cosine similarities")
    question_tokens: int = Field(64, ge=8, le=8_192, description="longer questions lose their end in training")
    passage_tokens: int = Field(128, ge=8, le=8_192, description="longer passages lose their end in training")
    query_prompt: str = Field("", description="put before each question, as in section `embedding`")
    passage_prompt: str = Field("", description="put before each passage, as in section `embedding`")
    matryoshka: tuple[int, ...] = Field((), description="vectors cut to these lengths are trained too; empty: none")
    distillation: float = Field(
        0.0, ge=0, le=100, description="weight of staying near the vectors of `base`: against forgetting"
    )
    lora_rank: int = Field(0, ge=0, le=1_024, description="rank of low-rank adapters, merged at the end; 0 = none")
    lora_alpha: float = Field(32.0, gt=0)
    blend: float = Field(1.0, gt=0, le=1, description="share of the trained weights in the mean with those of `base`")

    def train(self, data: TrainingData[RetrievalPair], folder: Path, home: Path, watch: Watch = unwatched) -> Trained:
        """Train on the rows, leave the model in the folder (`model`), and return how it went.

        A training that was killed goes on from its newest whole checkpoint in the folder; a finished one is returned.

        Raises:
            UsageError: rows that may not be learned from, a base that cannot be loaded, or a loss that is no number.
        """
        check_rows(data)
        if known := finished(folder):
            return known
        from llm_engineering.infrastructure.trainers.embedder_run import EmbedderRun

        return keep_finished(folder, EmbedderRun(self, data, folder, home).finish(watch))
