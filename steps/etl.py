"""Steps from the sources into the warehouse. They look at the outside world, so none comes from ZenML's cache."""

from typing import Annotated

from zenml import step

from llm_engineering import stages
from llm_engineering.config import Ingest
from llm_engineering.domain.reports import IngestReport
from llm_engineering.domain.users import User
from steps.materializers import ValueMaterializer


@step(enable_cache=False, output_materializers=ValueMaterializer)
def get_or_create_user(user_full_name: str) -> Annotated[User, "user"]:
    """Return the author of this name, stored in the warehouse on first sight."""
    return stages.get_or_create_user(user_full_name)


@step(enable_cache=False, output_materializers=ValueMaterializer)
def crawl_links(user: User, links: list[str], section: Ingest, run: int) -> Annotated[IngestReport, "crawled_links"]:
    """Crawl the author's links into the warehouse, each with the crawler that knows it."""
    return stages.crawl_links(user, links, section, run)


@step(enable_cache=False, output_materializers=ValueMaterializer)
def ingest(section: Ingest, run: int) -> Annotated[IngestReport, "ingested"]:
    """Bring the warehouse into agreement with the sources."""
    return stages.ingest(section, run)
