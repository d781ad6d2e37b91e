"""The documents of an index into a language model."""

from zenml import pipeline

from llm_engineering.config import PretrainingConfig
from llm_engineering.domain.secrets import redacted
from steps.failures import close_failed_run
from steps.pretraining import plan_pretraining, pretrain_model, register_pretrained
from steps.runs import check, open_run, report


@pipeline(on_failure=close_failed_run)
def pretraining(config: PretrainingConfig) -> None:
    """Train a GPT on the documents of an index, and take it into the registry."""
    config = config.resolved()
    run = open_run("pretraining", redacted(config.model_dump(mode="json")), list(config.holds))
    plan = plan_pretraining(config, run)
    trained, weights = pretrain_model(config, plan, run)
    done = register_pretrained(config, plan, trained, weights, run)
    account = report("pretraining", run, training=done)
    check(account, config.limits)
