"""The state of one home, opened."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from llm_engineering.config import Load
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.ports import Progress, VectorStore, Warehouse
from llm_engineering.domain.users import User
from llm_engineering.infrastructure import executors
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.observability.logs import forget_secrets
from llm_engineering.infrastructure.observability.progress import bar
from llm_engineering.infrastructure.processes import is_alive
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.vector_stores import Qdrant, QdrantEdge, VectorStoreSpec
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import last_run
from llm_engineering.infrastructure.vector_stores.versions import Overtaken
from llm_engineering.infrastructure.warehouse.heartbeat import Heartbeat

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset

T = TypeVar("T")

# The signs of life of this process: a thread for each run that it works for.
_beating: dict[int, Heartbeat] = {}


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
            if owner.isdigit() and not is_alive(int(owner)):
                shutil.rmtree(spool, ignore_errors=True)

    def keep_alive(self, run: int) -> None:
        """Give signs of life for the run from now on, until it is closed or this process ends; run 0 is none."""
        if run and run not in _beating:
            # A sign of life that does not come through is followed by the next one, so none is repeated.
            impatient = partial(self.warehouse, patience_seconds=0.0)
            _beating[run] = Heartbeat(impatient, run, self.settings.lease_seconds)

    def close_run(self, warehouse: Warehouse, run: int, status: str, report: Mapping[str, object]) -> None:
        """Close a run with its report, stop its signs of life, and let go of the cluster that it worked on."""
        if heartbeat := _beating.pop(run, None):
            heartbeat.stop()
        executors.release()
        warehouse.finish_run(run, status, report)

    @contextmanager
    def warehouse(self, patience_seconds: float | None = None) -> Iterator[Warehouse]:
        """Open the warehouse, migrating it on first use; wait for it as long as the settings say, or as is given."""
        from llm_engineering.infrastructure.warehouse import open_warehouse

        settings = self.settings
        patience = settings.patience_seconds if patience_seconds is None else patience_seconds
        warehouse = open_warehouse(settings.database_url, settings.lease_seconds, patience)
        try:
            yield warehouse
        finally:
            warehouse.close()

    def store_spec(self, load: Load) -> VectorStoreSpec:
        """Return the vector store of a configuration: the one that it names, or the one of the environment."""
        if load.store is not None:
            return load.store
        return Qdrant(url=self.settings.qdrant_url) if self.settings.qdrant_url else QdrantEdge()

    @contextmanager
    def existing_warehouse(self) -> Iterator[Warehouse | None]:
        """Open the warehouse if it is there and up to date; nothing is created or migrated."""
        from llm_engineering.infrastructure.warehouse import existing_warehouse

        warehouse = existing_warehouse(self.settings.database_url, self.settings.lease_seconds)
        try:
            yield warehouse
        finally:
            if warehouse is not None:
                warehouse.close()

    @contextmanager
    def store(self, load: Load, run: int = 0) -> Iterator[VectorStore]:
        """Open the collection's vector store; `run` is the run that is to write to it."""
        store = self.store_spec(load).open(self.home, load.collection, run)
        try:
            yield store
        except Overtaken as error:
            self._catch_up(run, error.last, load.collection)
            raise
        finally:
            store.close()

    def last_run_of(self, holds: Iterable[str]) -> int:
        """Return the last run that wrote to one of the collections among what a run holds, as their folders tell it."""
        collections = [name.removeprefix("collection ") for name in holds if name.startswith("collection ")]
        return max((last_run(self.home, collection) for collection in collections), default=0)

    def _catch_up(self, run: int, last: int, collection: str) -> None:
        """Give the next run a number above the store's last one, if it is the warehouse that stayed behind.

        Raises:
            BackendError: this run is still the owner of its collection, so it is the warehouse that is too old.
        """
        with self.warehouse() as warehouse:
            if last <= run or warehouse.run_record(run)["status"] != "running":
                return
            warehouse.pass_over_runs(last)
        raise BackendError(
            f"run {last} wrote to collection {collection!r}, and the warehouse has come to run {run} only: it is new, "
            f"or an older copy than the index. Its runs go on from {last + 1} now; run again to bring the index into "
            "agreement with it"
        )

    @contextmanager
    def reading(self, fetching: Fetching, warehouse: Warehouse, author: User | None = None) -> Iterator[SourceContext]:
        """Open what sources share: the HTTP client, the parser's process, what the warehouse knows, and the author."""
        user_id, name = (author.id, author.full_name) if author else ("", "")
        known, many = warehouse.provenance, warehouse.provenances
        with closing(SourceContext(self.home, fetching, known, user_id, name, known_many=many)) as context:
            try:
                yield context
            except Exception as error:
                forget_secrets(error)
                raise

    def spool(
        self, rows: Iterable[T], row_type: type[T], *, timed: bool = False, notes: Mapping[str, str] | None = None
    ) -> "ParquetDataset[T]":
        """Write rows to a Parquet data set in a folder of its own, which goes when the data set is no longer used.

        A `timed` one knows how long its rows took to make; `notes` are kept beside the rows.
        """
        from llm_engineering.infrastructure.parquet import write_dataset

        spools = self.home / "spool"
        spools.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=spools))
        dataset = write_dataset(rows, row_type, folder / row_type.__name__, timed=timed, notes=notes)
        weakref.finalize(dataset, shutil.rmtree, folder, ignore_errors=True)
        return dataset
