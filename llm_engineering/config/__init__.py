"""The YAML, typed: one frozen model per pipeline, one section per step. An unknown key anywhere is refused."""

from llm_engineering.config.inference import AssistantConfig, BatchInferenceConfig, ProjectConfig
from llm_engineering.config.pipelines import (
    Author,
    Config,
    DigitalDataEtlConfig,
    FeatureConfig,
    FeatureEngineeringConfig,
    Gate,
    Ingest,
    Limits,
    Load,
    Select,
    link_name,
)
from llm_engineering.config.reading import read_config
from llm_engineering.config.serving import Key, Rate, Scope, Serving

__all__ = [
    "AssistantConfig",
    "Author",
    "BatchInferenceConfig",
    "Config",
    "DigitalDataEtlConfig",
    "FeatureConfig",
    "FeatureEngineeringConfig",
    "Gate",
    "Ingest",
    "Key",
    "Limits",
    "Load",
    "ProjectConfig",
    "Rate",
    "Scope",
    "Select",
    "Serving",
    "link_name",
    "read_config",
]
