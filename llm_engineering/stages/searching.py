"""Search the index that readers see."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llm_engineering.application.retrieval import retrieve_all
from llm_engineering.application.text import Tokenizing
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureEngineeringConfig
from llm_engineering.domain.queries import Filter, Hit

if TYPE_CHECKING:
    pass


def search(config: FeatureEngineeringConfig, queries: Sequence[str], filter: Filter, k: int | None) -> list[list[Hit]]:
    """Return the best passages for each query, from the active version of the configured collection.

    Raises:
        UsageError: there is no index yet, or it was made by another model than the configured one.
    """
    workspace = Workspace()
    with workspace.store(config.load) as store, store.read() as index:
        # Queries are split the way the index was, whatever the file says by now.
        tokenizing = Tokenizing.model_validate(index.manifest.settings["tokenizing"])
        embedder = config.embedding.open(workspace.home) if config.retrieval.mode != "sparse" else None
        asked = ((query, filter) for query in queries)
        found = retrieve_all(asked, index, embedder, tokenizing.query, config.retrieval, k)
        return list(workspace.progress(found, "search", total=len(queries), unit="query"))
