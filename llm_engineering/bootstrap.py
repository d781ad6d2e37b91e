"""The composition root: opens adapters from a section of the configuration and the settings, and closes them again.

Tests compose the same way; production and tests differ only in the arguments.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from llm_engineering.application.ingestion import NamedSource
from llm_engineering.application.retrieval.filters import payload_field
from llm_engineering.config import FeatureEngineeringConfig, Ingest, Load, link_name
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.ports import Progress, Source, VectorStore, Warehouse
from llm_engineering.domain.users import User
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.observability.progress import bar
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.sources.context import SourceContext

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset

T = TypeVar("T")

# Raise this when the code of cleaning, chunking, tokenizing or the payload changes what it makes of the same input:
# the next run then builds a new index version beside the old one.
FEATURES_SCHEMA = 1


@dataclass
class Workspace:
    """The state of one home, opened: what every stage needs, and nothing that only some need."""

    settings: Settings = field(default_factory=Settings)
    progress: Progress = bar

    @property
    def home(self) -> Path:
        return self.settings.root

    def sweep(self) -> None:
        """Remove the spools of processes that were killed."""
        for spool in (self.home / "spool").glob("*-*"):
            owner = spool.name.partition("-")[0]
            if owner.isdigit() and not _is_alive(int(owner)):
                shutil.rmtree(spool, ignore_errors=True)

    @contextmanager
    def warehouse(self) -> Iterator[Warehouse]:
        """Open the warehouse, migrating it on first use."""
        from llm_engineering.infrastructure.warehouse import open_warehouse

        warehouse = open_warehouse(self.settings.database_url)
        try:
            yield warehouse
        finally:
            warehouse.close()

    @contextmanager
    def store(self, load: Load) -> Iterator[VectorStore]:
        """Open the collection's vector store."""
        store = load.store.open(self.home, load.collection)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def reading(self, fetching: Fetching, warehouse: Warehouse, author: User | None = None) -> Iterator[SourceContext]:
        """Open what sources share: the HTTP client, the parser's process, what the warehouse knows, and the author."""
        user_id, name = (author.id, author.full_name) if author else ("", "")
        with closing(SourceContext(self.home, fetching, warehouse.provenance, user_id, name)) as context:
            yield context

    def spool(self, rows: Iterable[T], row_type: type[T]) -> "ParquetDataset[T]":
        """Write rows to a Parquet data set in a folder of its own, which goes when the data set is no longer used."""
        from llm_engineering.infrastructure.parquet import write_dataset

        spools = self.home / "spool"
        spools.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=spools))
        dataset = write_dataset(rows, row_type, folder / row_type.__name__)
        weakref.finalize(dataset, shutil.rmtree, folder, ignore_errors=True)
        return dataset


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process, so there is one
        return True
    return True


def sources_of(section: Ingest, context: SourceContext) -> list[NamedSource]:
    """Return the sources of a configuration, each to be opened when its turn comes."""
    return [NamedSource(spec.name, spec.kind, partial(spec.open, context)) for spec in section.sources]


def sources_of_links(links: Iterable[str], context: SourceContext) -> list[NamedSource]:
    """Return one source for each distinct link, named by the link."""
    from llm_engineering.infrastructure.sources.crawl import source_for_link

    def opener(link: str) -> Callable[[], Source]:
        return lambda: source_for_link(link, name=link_name(link)).open(context)

    return [NamedSource(link_name(link), "link", opener(link)) for link in dict.fromkeys(links)]


def manifest_of(config: FeatureEngineeringConfig, home: Path) -> IndexManifest:
    """Describe the index that this configuration makes. Everything that decides its content is in the fingerprint."""
    card = config.embedding.card(home)
    indexes = tuple(payload_field(key) for key in config.load.payload_indexes)
    settings: dict[str, object] = {
        "schema": FEATURES_SCHEMA,
        "cleaning": config.cleaning.model_dump(mode="json"),
        "chunking": config.chunking.model_dump(mode="json"),
        "tokenizing": config.tokenizing.model_dump(mode="json"),
        "embedding": config.embedding.model_dump(mode="json"),
    }
    # Where and how fast a model runs (device, precision, batch) does not change what it means; its digest does.
    content = settings | {"embedding": card.model_dump(mode="json"), "payload_indexes": indexes}
    return IndexManifest(
        version="v0",
        fingerprint=digest(content),
        model=card,
        payload_indexes=indexes,
        settings=settings,
    )
