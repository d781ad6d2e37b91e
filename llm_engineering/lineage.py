"""Where things come from and what was made of them, over the stores of the home."""

from collections.abc import Mapping
from typing import Any

from llm_engineering.application import lineage as verbs
from llm_engineering.bootstrap import Workspace
from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.traces.collections import stores_of
from llm_engineering.infrastructure.traces.spellings import uris_meant

_SPAN = ("position", "start", "end")


def lineage(name: str) -> dict[str, Any]:
    """Return the lineage of a chunk, a document, a URI, a source, a user, a run, an index version or an export.

    Raises:
        UsageError: nothing has this name.
    """
    workspace = Workspace()

    def span_of(collection: str, chunk_id: str) -> Mapping[str, object]:
        for store in stores_of(workspace.home, collection, run=0):
            try:
                with store.read() as index:
                    point = index.get([chunk_id]).get(chunk_id)
            except UsageError:  # nothing is published yet
                continue
            if point is not None:
                return {key: point.payload[key] for key in _SPAN if key in point.payload}
        return {}

    with workspace.warehouse() as warehouse:
        known = [uri for uri in uris_meant(name) if warehouse.document_records("uri", [uri])] if name.strip() else []
        return verbs.lineage(warehouse, known[0] if known else name, span_of)
