"""Data sets on disk: rows of the domain's dataclasses in Parquet, written and read in bounded memory."""

from llm_engineering.infrastructure.parquet.dataset import ParquetDataset, read_dataset
from llm_engineering.infrastructure.parquet.feature_reading import (
    FeatureDataset,
    Features,
    read_documents,
    read_features,
    read_manifest,
)
from llm_engineering.infrastructure.parquet.feature_writing import new_export
from llm_engineering.infrastructure.parquet.lake import incoming, is_remote, outgoing
from llm_engineering.infrastructure.parquet.writing import spool, write_dataset

__all__ = [
    "FeatureDataset",
    "Features",
    "ParquetDataset",
    "incoming",
    "is_remote",
    "new_export",
    "outgoing",
    "read_dataset",
    "read_documents",
    "read_features",
    "read_manifest",
    "spool",
    "write_dataset",
]
