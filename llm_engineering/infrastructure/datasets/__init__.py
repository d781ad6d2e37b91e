"""Where data sets for training are kept, and what language models wrote for them."""

from llm_engineering.infrastructure.datasets.files import DatasetFiles
from llm_engineering.infrastructure.datasets.replies import open_replies

__all__ = ["DatasetFiles", "open_replies"]
