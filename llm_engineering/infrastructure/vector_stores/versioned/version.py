"""An index version as books tell it, and the two records of it that change."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from llm_engineering.domain.indexes import IndexManifest


@dataclass(frozen=True, slots=True)
class Version:
    """An index version: its manifest, what its points are kept in, and what was published of it.

    `table` is what the engine calls a table, collection or index; `published` the generation that readers see (0: none
    yet), `replaced` the earlier ones that a reader may still hold, each with the time of its replacement; `run` the
    last run that wrote or switched, `at_work` whether a writer began and did not end; `indexed` the paths of payload
    fields with an index, where the books tell them.
    """

    table: str
    manifest: IndexManifest
    published: int = 0
    replaced: tuple[tuple[int, float], ...] = ()
    run: int = 0
    at_work: bool = False
    indexed: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.manifest.version

    @property
    def next(self) -> int:
        """The generation that a writer works on."""
        return self.published + 1

    @property
    def publication(self) -> dict[str, object]:
        """The record of what readers see."""
        return {"generation": self.published, "replaced": [list(pair) for pair in self.replaced]}

    @property
    def writer(self) -> dict[str, object]:
        """The record of who writes."""
        return {"run": self.run, "at_work": self.at_work}


def version_of(
    table: str,
    manifest: object,
    publication: Mapping[str, Any],
    writer: Mapping[str, Any],
    indexed: Collection[str] = (),
) -> Version:
    """Read a version from its records.

    Raises:
        ValueError, TypeError, AttributeError: one of them is not as it was written.
    """
    return Version(
        table,
        IndexManifest.model_validate(manifest),
        int(publication.get("generation", 0)),
        tuple((int(generation), float(at)) for generation, at in publication.get("replaced", ())),
        int(writer.get("run", 0)),
        bool(writer.get("at_work", False)),
        frozenset(indexed),
    )
