"""An index version as the metadata of its Qdrant collection tell it.

`llm_engineering` holds collection and manifest, `llm_engineering_published` which generation readers see and when the
earlier ones were replaced, `llm_engineering_writer` the last run that wrote or switched, and whether one is at work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from qdrant_client import models

from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import IndexManifest

MADE = "llm_engineering"
PUBLISHED = "llm_engineering_published"
WRITER = "llm_engineering_writer"


@dataclass(frozen=True, slots=True)
class Version:
    """An index version as the server has it.

    `name` is that of its Qdrant collection, `published` the generation that readers see (0: none yet), `replaced` the
    earlier ones that a reader may still hold, each with the time of its replacement; `run` the last run that wrote or
    switched, `at_work` whether a writer began and did not end, `indexed` the paths of payload fields with an index.
    """

    name: str
    manifest: IndexManifest
    published: int = 0
    replaced: tuple[tuple[int, float], ...] = ()
    run: int = 0
    at_work: bool = False
    indexed: frozenset[str] = frozenset()

    @property
    def next(self) -> int:
        """The generation that a writer works on."""
        return self.published + 1


def made(collection: str, manifest: IndexManifest) -> dict[str, Any]:
    """Return the metadata of a new version."""
    return {MADE: {"collection": collection, "manifest": manifest.model_dump(mode="json")}}


def published(version: Version) -> dict[str, Any]:
    """Return the metadata that say what readers of a version see."""
    replaced = [list(pair) for pair in version.replaced]
    return {PUBLISHED: {"generation": version.published, "replaced": replaced}}


def writer(version: Version) -> dict[str, Any]:
    """Return the metadata that say who writes to a version."""
    return {WRITER: {"run": version.run, "at_work": version.at_work}}


def version_in(name: str, info: models.CollectionInfo, collection: str) -> Version | None:
    """Read what a Qdrant collection is, or return None if it is no version of this collection.

    Raises:
        BackendError: it is one, and its metadata are damaged.
    """
    metadata: Mapping[str, Any] = info.config.metadata or {}
    origin = metadata.get(MADE)
    if not isinstance(origin, Mapping) or origin.get("collection") != collection:
        return None
    seen, work = metadata.get(PUBLISHED) or {}, metadata.get(WRITER) or {}
    try:
        return Version(
            name,
            IndexManifest.model_validate(origin["manifest"]),
            int(seen.get("generation", 0)),
            tuple((int(generation), float(at)) for generation, at in seen.get("replaced", ())),
            int(work.get("run", 0)),
            bool(work.get("at_work", False)),
            frozenset(info.payload_schema),
        )
    except (ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackendError(
            f"the metadata of the Qdrant collection {name!r} cannot be read ({type(error).__name__}); delete that "
            "collection and run the feature pipeline to build the index again"
        ) from error
