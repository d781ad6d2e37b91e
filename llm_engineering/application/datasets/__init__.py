"""Data sets for training, made from the corpus: pairs, negatives, near-duplicates, splits, cards."""

from llm_engineering.application.datasets.held_out import held_questions, refuse_held_out
from llm_engineering.application.datasets.leaking import leaks
from llm_engineering.application.datasets.making import make
from llm_engineering.application.datasets.settings import DatasetSettings

__all__ = ["DatasetSettings", "held_questions", "leaks", "make", "refuse_held_out"]
