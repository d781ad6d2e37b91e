"""All that one YAML file may say."""

from llm_engineering.config.inference import BatchInferenceConfig
from llm_engineering.config.instructions import InstructDatasetConfig, PreferenceDatasetConfig
from llm_engineering.config.llm_evaluation import LlmEvaluationConfig
from llm_engineering.config.pipelines import FeatureConfig
from llm_engineering.config.pretraining import PretrainingConfig
from llm_engineering.config.training import DatasetConfig, EvaluationConfig, PromotionConfig, TrainingConfig


class ProjectConfig(
    FeatureConfig,
    PromotionConfig,
    TrainingConfig,
    PretrainingConfig,
    DatasetConfig,
    InstructDatasetConfig,
    PreferenceDatasetConfig,
    EvaluationConfig,
    LlmEvaluationConfig,
    BatchInferenceConfig,
):
    """All that a YAML file may say. Each pipeline takes its part."""
