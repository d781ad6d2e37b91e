"""An index version as the metadata of its Qdrant collection tell it.

`llm_engineering` holds collection and manifest, `llm_engineering_published` which generation readers see and when the
earlier ones were replaced, `llm_engineering_writer` the last run that wrote or switched, and whether one is at work.
"""

from collections.abc import Mapping
from typing import Any

from qdrant_client import models

from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.vector_stores.versioned.version import Version, version_of

MADE = "llm_engineering"
PUBLISHED = "llm_engineering_published"
WRITER = "llm_engineering_writer"


def made(collection: str, manifest: IndexManifest) -> dict[str, Any]:
    """Return the metadata of a new version."""
    return {MADE: {"collection": collection, "manifest": manifest.model_dump(mode="json")}}


def version_in(name: str, info: models.CollectionInfo, collection: str) -> Version | None:
    """Read what a Qdrant collection is, or return None if it is no version of this collection.

    Raises:
        BackendError: it is one, and its metadata are damaged.
    """
    metadata: Mapping[str, Any] = info.config.metadata or {}
    origin = metadata.get(MADE)
    if not isinstance(origin, Mapping) or origin.get("collection") != collection:
        return None
    publication, work = metadata.get(PUBLISHED) or {}, metadata.get(WRITER) or {}
    try:
        return version_of(name, origin.get("manifest"), publication, work, info.payload_schema)
    except (TypeError, ValueError, AttributeError) as error:
        raise BackendError(
            f"the metadata of the Qdrant collection {name!r} cannot be read ({type(error).__name__}); delete that "
            "collection and run the feature pipeline to build the index again"
        ) from error
