"""Data sets for training, made from the corpus: pairs, negatives, near-duplicates, splits, cards."""

from llm_engineering.application.datasets.settings import DatasetSettings

__all__ = ["DatasetSettings"]
