"""Steps from a version of a data set to a version of a model. None of them is cached."""

from typing import Annotated

from zenml import step

from llm_engineering import stages
from llm_engineering.config import TrainingConfig
from llm_engineering.domain.training import Trained, TrainingPlan, TrainingReport, WeightsFolder
from steps.materializers import TrainedMaterializer, ValueMaterializer, WeightsMaterializer
from steps.tracking import track_training


@step(enable_cache=False, output_materializers=ValueMaterializer)
def plan_training(config: TrainingConfig, run: int) -> Annotated[TrainingPlan, "plan"]:
    """Find the data set, and say what there is to learn from."""
    return stages.plan_training(config, run)


@step(enable_cache=False, output_materializers={"trained": TrainedMaterializer, "weights": WeightsMaterializer})
def train_model(
    config: TrainingConfig, plan: TrainingPlan, run: int
) -> tuple[Annotated[Trained, "trained"], Annotated[WeightsFolder, "weights"]]:
    """Train the model; a killed run goes on where it was."""
    trained, weights = stages.train_model(config, plan, run)
    track_training(config.training, plan, trained)
    return trained, weights  # as a tuple, because ZenML reads the number of outputs off this line


@step(enable_cache=False, output_materializers=ValueMaterializer)
def register_model(
    config: TrainingConfig, plan: TrainingPlan, trained: Trained, weights: WeightsFolder, run: int
) -> Annotated[TrainingReport, "training"]:
    """Take the model into the registry."""
    return stages.register_model(config, plan, trained, weights, run)
