"""Tables of questions and answers: CSV, JSONL and Parquet, read and written row by row."""

from llm_engineering.infrastructure.tables.reading import Facts, Table
from llm_engineering.infrastructure.tables.writing import write_table

__all__ = ["Facts", "Table", "write_table"]
