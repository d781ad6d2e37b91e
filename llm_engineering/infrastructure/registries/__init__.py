"""Registries: where versions of models are kept."""

from llm_engineering.infrastructure.registries.files import FileRegistry
from llm_engineering.infrastructure.registries.references import SCHEME, split_reference

__all__ = ["SCHEME", "FileRegistry", "split_reference"]
