"""Search the index that readers see."""

from collections.abc import Sequence
from contextlib import closing

from loguru import logger

from llm_engineering.bootstrap import Workspace, open_searcher
from llm_engineering.config import AssistantConfig, FeatureEngineeringConfig
from llm_engineering.domain.access import ALL, Access
from llm_engineering.domain.queries import Filter, Hit, Retrieved


def search(
    config: AssistantConfig | FeatureEngineeringConfig,
    queries: Sequence[str],
    filter: Filter,
    k: int | None,
    *,
    access: Access = ALL,
) -> list[list[Hit]]:
    """Return the best passages for each query, from the active version of the configured collection.

    Raises:
        UsageError: there is no index yet, or it was made by another model than the configured one.
    """
    return [list(found.hits) for found in retrieved(config, queries, filter, k, access=access)]


def retrieved(
    config: AssistantConfig | FeatureEngineeringConfig,
    queries: Sequence[str],
    filter: Filter,
    k: int | None,
    *,
    access: Access,
) -> list[Retrieved]:
    """Return what is found for each query, and how."""
    workspace = Workspace()
    with closing(open_searcher(config, workspace, every=None, callers=1)) as searcher:
        searches = (searcher.search(query, access=access, filter=filter, k=k) for query in queries)
        found = list(workspace.progress(searches, "search", total=len(queries), unit="query"))
    for warning in dict.fromkeys(warning for one in found for warning in one.warnings):
        logger.warning(warning)
    return found
