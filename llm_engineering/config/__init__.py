"""The YAML, typed: one frozen model per pipeline, one section per step. An unknown key anywhere is refused."""

from llm_engineering.config.inference import AssistantConfig, BatchInferenceConfig
from llm_engineering.config.instructions import InstructDatasetConfig, PreferenceDatasetConfig
from llm_engineering.config.llm_evaluation import LlmEvaluationConfig
from llm_engineering.config.pipelines import Config, DigitalDataEtlConfig, FeatureConfig, FeatureEngineeringConfig
from llm_engineering.config.pretraining import PretrainingConfig, PretrainingSettings
from llm_engineering.config.project import ProjectConfig
from llm_engineering.config.reading import read_config
from llm_engineering.config.sections import Author, Gate, Ingest, Limits, Load, Select, link_name
from llm_engineering.config.serving import Key, Rate, Scope, Serving
from llm_engineering.config.training import (
    DatasetConfig,
    EvaluationConfig,
    PromotionConfig,
    TrainingConfig,
    TrainingSettings,
)

__all__ = [
    "AssistantConfig",
    "Author",
    "BatchInferenceConfig",
    "Config",
    "DatasetConfig",
    "DigitalDataEtlConfig",
    "EvaluationConfig",
    "FeatureConfig",
    "FeatureEngineeringConfig",
    "Gate",
    "Ingest",
    "InstructDatasetConfig",
    "Key",
    "Limits",
    "LlmEvaluationConfig",
    "Load",
    "PreferenceDatasetConfig",
    "PretrainingConfig",
    "PretrainingSettings",
    "ProjectConfig",
    "PromotionConfig",
    "Rate",
    "Scope",
    "Select",
    "Serving",
    "TrainingConfig",
    "TrainingSettings",
    "link_name",
    "read_config",
]
