"""Trainers: data set to model. A new one is a file here, a line in the union below and one in the contract test."""

from typing import Annotated

from pydantic import Field

from llm_engineering.infrastructure.trainers.embedder import EmbedderTrainer
from llm_engineering.infrastructure.trainers.language.dpo import DpoTrainer
from llm_engineering.infrastructure.trainers.language.sft import SftTrainer
from llm_engineering.infrastructure.trainers.reranker import RerankerTrainer
from llm_engineering.infrastructure.trainers.retrieval import RetrievalTuner

TrainerSpec = Annotated[
    EmbedderTrainer | RerankerTrainer | RetrievalTuner | SftTrainer | DpoTrainer, Field(discriminator="kind")
]

__all__ = ["DpoTrainer", "EmbedderTrainer", "RerankerTrainer", "RetrievalTuner", "SftTrainer", "TrainerSpec"]
