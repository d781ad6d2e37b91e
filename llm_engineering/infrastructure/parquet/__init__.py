"""Data sets on disk: rows of the domain's dataclasses in Parquet, written and read in bounded memory."""

from llm_engineering.infrastructure.parquet.dataset import ParquetDataset, read_dataset
from llm_engineering.infrastructure.parquet.writing import spool, write_dataset

__all__ = ["ParquetDataset", "read_dataset", "spool", "write_dataset"]
