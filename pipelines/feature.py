"""The main job: from the sources to a searchable feature store in one run."""

from zenml import pipeline

from llm_engineering.bootstrap import Workspace, pinned
from llm_engineering.config import FeatureConfig, FeatureEngineeringConfig
from llm_engineering.domain.secrets import redacted
from pipelines.digital_data_etl import fill_warehouse
from pipelines.feature_engineering import fill_feature_store
from steps.failures import close_failed_run
from steps.runs import check, open_run, report


@pipeline(on_failure=close_failed_run)
def feature(config: FeatureConfig) -> None:
    """Bring the warehouse into agreement with the sources, then the index with the warehouse."""
    config = pinned(config.resolved(), Workspace().home)
    run = open_run("feature", redacted(config.model_dump(mode="json")), list(config.holds))
    books = fill_warehouse(config, run)
    after = [book.invocation_id for book in books.values()]
    features = config.of(FeatureEngineeringConfig)
    made = fill_feature_store(features, config.source_names, run, after)
    account = report("feature", run, config=features, **books, **made)
    check(account, config.limits)
