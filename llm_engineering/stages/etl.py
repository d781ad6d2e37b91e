"""From the sources into the warehouse."""

from collections.abc import Sequence

from llm_engineering import bootstrap
from llm_engineering.application import (
    ingestion,
)
from llm_engineering.application.ingestion import NamedSource
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import Ingest
from llm_engineering.domain.erasure import Forgotten
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.reports import IngestReport
from llm_engineering.domain.users import User, user_named


def get_or_create_user(user_full_name: str) -> User:
    """Return the user of this name, created on first sight.

    Raises:
        UsageError: the user was forgotten.
    """
    user = user_named(user_full_name)
    with Workspace().warehouse() as warehouse:
        if Forgotten(warehouse.forgotten()).has("user", user.id):
            raise UsageError("this author was forgotten (tools.forget); take `author` out of the configuration")
        warehouse.get_or_create_user(user)
    return user


def crawl_links(user: User, links: Sequence[str], section: Ingest, run: int) -> IngestReport:
    """Crawl the author's links into the warehouse; each link has its own account in the report."""
    workspace = Workspace()
    workspace.keep_alive(run)
    with workspace.warehouse() as warehouse, workspace.reading(section.fetching, warehouse, user) as context:
        sources = bootstrap.sources_of_links(links, context)
        return _ingest(sources, warehouse, run, section)


def ingest(section: Ingest, run: int) -> IngestReport:
    """Bring the warehouse into agreement with the sources."""
    workspace = Workspace()
    workspace.keep_alive(run)
    with workspace.warehouse() as warehouse, workspace.reading(section.fetching, warehouse) as context:
        sources = bootstrap.sources_of(section, context)
        return _ingest(sources, warehouse, run, section)


def _ingest(sources: Sequence[NamedSource], warehouse: Warehouse, run: int, section: Ingest) -> IngestReport:
    progress = Workspace().progress
    return ingestion.ingest(sources, warehouse, run, progress, allow_mass_delete=section.allow_mass_delete)
