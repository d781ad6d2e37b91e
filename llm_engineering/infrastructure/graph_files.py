"""The entity graphs of a home: `graphs/COLLECTION/VERSION/`, three Parquet data sets with a manifest."""

import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.graphs import Entity, GraphManifest, Mention, Relation
from llm_engineering.infrastructure.vector_stores.folders import replace_file

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class GraphFiles:
    """The graph of one index version. Readers see the old one or the new one: the manifest names the folder."""

    home: Path
    collection: str
    version: str

    @property
    def folder(self) -> Path:
        return self.home / "graphs" / self.collection / self.version

    def manifest(self) -> GraphManifest | None:
        """Return the manifest; None if there is no graph, or none that this code reads."""
        try:
            return GraphManifest.model_validate_json((self.folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError):
            return None

    def mentions(self, manifest: GraphManifest) -> Iterator[Mention]:
        return cast("Iterator[Mention]", self._rows(manifest, "mentions"))

    def entities(self, manifest: GraphManifest) -> Iterator[Entity]:
        return cast("Iterator[Entity]", self._rows(manifest, "entities"))

    def relations(self, manifest: GraphManifest) -> Iterator[Relation]:
        return cast("Iterator[Relation]", self._rows(manifest, "relations"))

    def write(
        self,
        manifest: GraphManifest,
        mentions: Iterable[Mention],
        entities: Iterable[Entity],
        relations: Iterable[Relation],
    ) -> GraphManifest:
        """Write a graph beside the one that is there, switch to it, and remove the old one.

        Raises:
            BackendError: the disk is full, or the folder cannot be written.
        """
        from llm_engineering.infrastructure.parquet import write_dataset

        folder = self.folder / manifest.folder
        shutil.rmtree(folder, ignore_errors=True)
        made: dict[str, ParquetDataset[Any]] = {
            "mentions": write_dataset(mentions, Mention, folder / "mentions"),
            "entities": write_dataset(entities, Entity, folder / "entities"),
            "relations": write_dataset(relations, Relation, folder / "relations"),
        }
        manifest = manifest.model_copy(update={"files": {name: data.fingerprint() for name, data in made.items()}})
        try:
            replace_file(self.folder / MANIFEST, manifest.model_dump_json(indent=1))
            for old in self.folder.iterdir():
                if old.is_dir() and old.name != manifest.folder:
                    shutil.rmtree(old, ignore_errors=True)
        except OSError as error:
            raise BackendError(f"the graph in {self.folder} cannot be written: {error}") from error
        return manifest

    def prune(self, versions: Collection[str]) -> None:
        """Remove the graphs of versions of this collection that are no more."""
        for other in self.folder.parent.glob("*"):
            if other.is_dir() and other.name not in versions:
                shutil.rmtree(other, ignore_errors=True)

    def _rows(self, manifest: GraphManifest, name: str) -> Iterator[object]:
        from llm_engineering.infrastructure.parquet import read_dataset

        return iter(read_dataset(self.folder / manifest.folder / name))
