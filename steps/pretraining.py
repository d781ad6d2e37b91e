"""Steps from the documents of an index to a language model. None of them is cached."""

from typing import Annotated

from zenml import step

from llm_engineering import stages
from llm_engineering.config import PretrainingConfig
from llm_engineering.domain.training import Trained, TrainingPlan, TrainingReport, WeightsFolder
from steps.materializers import TrainedMaterializer, ValueMaterializer, WeightsMaterializer
from steps.tracking import track_training


@step(enable_cache=False, output_materializers=ValueMaterializer)
def plan_pretraining(config: PretrainingConfig, run: int) -> Annotated[TrainingPlan, "plan"]:
    """Find the documents, and say how many there are to learn from."""
    return stages.plan_pretraining(config, run)


@step(enable_cache=False, output_materializers={"trained": TrainedMaterializer, "weights": WeightsMaterializer})
def pretrain_model(
    config: PretrainingConfig, plan: TrainingPlan, run: int
) -> tuple[Annotated[Trained, "trained"], Annotated[WeightsFolder, "weights"]]:
    """Train the model; a killed run goes on where it was."""
    trained, weights = stages.pretrain_model(config, plan, run)
    track_training(config.pretraining, plan, trained)
    return trained, weights  # as a tuple, because ZenML reads the number of outputs off this line


@step(enable_cache=False, output_materializers=ValueMaterializer)
def register_pretrained(
    config: PretrainingConfig, plan: TrainingPlan, trained: Trained, weights: WeightsFolder, run: int
) -> Annotated[TrainingReport, "training"]:
    """Take the model into the registry."""
    return stages.register_pretrained(config, plan, trained, weights, run)
