"""A version of a data set into a version of a model."""

from zenml import pipeline

from llm_engineering.config import TrainingConfig
from llm_engineering.domain.secrets import redacted
from steps.failures import close_failed_run
from steps.runs import check, open_run, report
from steps.training import plan_training, register_model, train_model


@pipeline(on_failure=close_failed_run)
def training(config: TrainingConfig) -> None:
    """Train a model on a data set, and take it into the registry."""
    config = config.resolved()
    run = open_run("training", redacted(config.model_dump(mode="json")), list(config.holds))
    plan = plan_training(config, run)
    trained, weights = train_model(config, plan, run)
    done = register_model(config, plan, trained, weights, run)
    account = report("training", run, training=done)
    check(account, config.limits)
