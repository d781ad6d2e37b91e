"""The main job: from the sources to a searchable feature store in one run."""

from zenml import pipeline

from llm_engineering.config import FeatureConfig
from pipelines.digital_data_etl import fill_warehouse
from pipelines.feature_engineering import fill_feature_store
from steps.runs import check, open_run, report


@pipeline
def feature(config: FeatureConfig) -> None:
    """Bring the warehouse into agreement with the sources, then the index with the warehouse."""
    run = open_run("feature", config.model_dump(mode="json"))
    books = fill_warehouse(config, run)
    made = fill_feature_store(config, config.source_names, run, after=[book.step_name for book in books.values()])
    account = report("feature", run, **books, **made)
    check(account, config.limits)
