"""The composition root: opens adapters from a section of the configuration and the settings, and closes them again.

Tests compose the same way; production and tests differ only in the arguments.
"""

from llm_engineering.bootstrap.asking import asking
from llm_engineering.bootstrap.chunking import bound_chunker
from llm_engineering.bootstrap.evaluating import asked_version, held_questions_of, open_evaluations
from llm_engineering.bootstrap.executing import embedding_by
from llm_engineering.bootstrap.features import (
    FEATURES_SCHEMA,
    manifest_of,
    open_source,
    questions_of,
    searching_both,
    sources_of,
    sources_of_links,
)
from llm_engineering.bootstrap.inference import Inference, open_inference
from llm_engineering.bootstrap.registered import pinned, refuse_if_left, retrieval_of
from llm_engineering.bootstrap.searching import open_searcher
from llm_engineering.bootstrap.state import open_state
from llm_engineering.bootstrap.training import open_datasets, open_registry, open_trackers
from llm_engineering.bootstrap.workspace import Workspace

__all__ = [
    "FEATURES_SCHEMA",
    "Inference",
    "Workspace",
    "asked_version",
    "asking",
    "bound_chunker",
    "embedding_by",
    "held_questions_of",
    "manifest_of",
    "open_datasets",
    "open_evaluations",
    "open_inference",
    "open_registry",
    "open_searcher",
    "open_source",
    "open_state",
    "open_trackers",
    "pinned",
    "questions_of",
    "refuse_if_left",
    "retrieval_of",
    "searching_both",
    "sources_of",
    "sources_of_links",
]
