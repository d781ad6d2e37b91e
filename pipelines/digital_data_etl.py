"""Raw data in: an author's links, and any other sources, into the document warehouse."""

from collections.abc import Sequence
from typing import Any

from zenml import pipeline

from llm_engineering.config import DigitalDataEtlConfig
from llm_engineering.domain.secrets import redacted
from steps.etl import crawl_links, get_or_create_user, ingest
from steps.failures import close_failed_run
from steps.runs import check, open_run, report


@pipeline(on_failure=close_failed_run)
def digital_data_etl(
    user_full_name: str = "", links: Sequence[str] = (), config: DigitalDataEtlConfig | None = None
) -> None:
    """Bring the warehouse into agreement with an author's links and the configured sources."""
    config = (config or DigitalDataEtlConfig()).with_author(user_full_name, links).resolved()
    run = open_run("digital_data_etl", redacted(config.model_dump(mode="json")), list(config.holds))
    books = fill_warehouse(config, run)
    account = report("digital_data_etl", run, **books)
    check(account, config.limits)


def fill_warehouse(config: DigitalDataEtlConfig, run: Any) -> dict[str, Any]:
    """Add the steps for what the configuration names; return their reports by the name that `report` knows them by."""
    books = {}
    if config.author:
        user = get_or_create_user(config.author.user_full_name)
        books["crawled"] = crawl_links(user, list(config.author.links), config.ingest, run)
    if config.ingest.sources:
        books["ingested"] = ingest(config.ingest, run)
    return books
