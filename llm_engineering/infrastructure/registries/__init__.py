"""Registries: where versions of models are kept."""

from llm_engineering.infrastructure.registries.files import FileRegistry
from llm_engineering.infrastructure.registries.references import SCHEME, split_reference
from llm_engineering.infrastructure.registries.resolving import exact, in_production, meant, name_in

__all__ = ["SCHEME", "FileRegistry", "exact", "in_production", "meant", "name_in", "split_reference"]
