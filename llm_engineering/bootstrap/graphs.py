"""The entity graph of an index version, opened for a search when the first one asks for it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.graph_files import GraphFiles

if TYPE_CHECKING:
    from llm_engineering.application.graph import GraphView


def graph_of(home: Path, collection: str, manifest: IndexManifest) -> "Callable[[], GraphView | None]":
    """Return what gives the graph of an index version, read once; None if there is none for it."""
    lock = Lock()

    @cache
    def read() -> "GraphView | None":
        from llm_engineering.application.graph import GraphView

        files = GraphFiles(home, collection, manifest.version)
        known = files.manifest()
        if known is None or known.fingerprint != manifest.fingerprint:
            logger.warning("index version {} of collection {!r} has no entity graph", manifest.version, collection)
            return None
        return GraphView(files.mentions(known), files.entities(known), files.relations(known), known.chunks)

    def once() -> "GraphView | None":
        with lock:
            return read()

    return once
