"""What ZenML keeps of runs in the home: rows in its database, artifacts, pictures of them, logs.

A run that handled or names the target goes as a whole, because its artifacts belong together: the tokens of a text do
not say which document they are of. The database is edited directly, in one transaction, with what is deleted
overwritten: ZenML's own client can delete runs, but leaves their parameters, their metadata and the bytes of both.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from llm_engineering.domain.erasure import Found
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.traces import Traces
from llm_engineering.infrastructure.traces.files import mentions, remove
from llm_engineering.infrastructure.traces.zenml_tables import FORGET, RUN_OF_LOG, RUN_OF_STEP, RUNS_NAMING

_BUSY_SECONDS = 30.0
_RUN = "run "
_FILE = "file "


@dataclass(frozen=True)
class ZenMLRecords:
    """ZenML's local stores in a home."""

    home: Path
    place: str = "ZenML"

    def find(self, traces: Traces) -> Found:
        runs: set[str] = set()
        orphans: list[str] = []
        with self._database() as database:
            if database:
                runs |= _runs_naming(database, traces)
            for path in self._files():
                if mentions(path, traces):
                    run = database and _run_of(database, path)
                    if run:
                        runs.add(run)
                    else:
                        orphans.append(_FILE + path.relative_to(self._stores).as_posix())
        what = "runs with their parameters, artifacts, pictures and logs, or files of no run"
        return Found(place=self.place, what=what).with_items([*(_RUN + run for run in sorted(runs)), *sorted(orphans)])

    def remove(self, items: Collection[str], traces: Traces) -> None:  # noqa: ARG002 - the items say it all
        runs = [item.removeprefix(_RUN) for item in items if item.startswith(_RUN)]
        for item in items:
            if item.startswith(_FILE):
                remove(self._stores / item.removeprefix(_FILE))
        with self._database() as database:
            if not database:
                return
            # Files first: as long as the rows are there, they say which files are theirs.
            for path in _paths_of(database, runs):
                if path.is_relative_to(self._stores):
                    remove(path)
            for step in _steps_of(database, runs):
                for folder in self._stores.glob(f"*/*/*/{UUID(step)}"):
                    remove(folder)
            _forget(database, runs)
            database.execute("VACUUM")
        for backup in (self.home / "zenml" / "database_backup").glob("*"):
            remove(backup)

    @property
    def _stores(self) -> Path:
        return self.home / "zenml" / "local_stores"

    def _files(self) -> Iterator[Path]:
        """Iterate over the files of all local artifact stores."""
        for store in sorted(self._stores.glob("*")):
            if store.name != "default_zen_store":
                yield from (path for path in sorted(store.rglob("*")) if path.is_file())

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection | None]:
        """Open ZenML's database, if there is one here."""
        path = self._stores / "default_zen_store" / "zenml.db"
        if not path.is_file():
            yield None
            return
        try:
            with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as database:
                database.execute("PRAGMA foreign_keys = ON")
                database.execute("PRAGMA secure_delete = ON")
                yield database
        except sqlite3.Error as error:
            raise BackendError(
                f"ZenML's database {path} failed: {error}. Stop the dashboard (python -m tools.dashboard --stop) and "
                "whatever else uses it, then run this again",
                transient=True,
            ) from error


def _runs_naming(database: sqlite3.Connection, traces: Traces) -> set[str]:
    def named(text: object) -> bool:
        return isinstance(text, str) and traces.are_in(text)

    database.create_function("named", 1, named, deterministic=True)
    return {row[0] for query in RUNS_NAMING for row in database.execute(query)}


def _run_of(database: sqlite3.Connection, path: Path) -> str:
    """Return the run that a file belongs to, or an empty text: its step, or its log, is part of its path."""
    for part in (*path.parts, path.stem):
        try:
            key = UUID(part).hex
        except ValueError:
            continue
        for query in (RUN_OF_STEP, RUN_OF_LOG):
            if row := database.execute(query, {"id": key}).fetchone():
                return str(row[0])
    return ""


def _steps_of(database: sqlite3.Connection, runs: Collection[str]) -> list[str]:
    query = "SELECT id FROM step_run WHERE pipeline_run_id = ?"
    return [row[0] for run in runs for row in database.execute(query, [run])]


def _paths_of(database: sqlite3.Connection, runs: Collection[str]) -> list[Path]:
    """Return the log files of runs and of their steps."""
    steps = "SELECT id FROM step_run WHERE pipeline_run_id = :run"
    query = f"SELECT uri FROM logs WHERE pipeline_run_id = :run OR step_run_id IN ({steps})"  # noqa: S608 - constants
    return [Path(row[0]) for run in runs for row in database.execute(query, {"run": run}) if row[0]]


def _forget(database: sqlite3.Connection, runs: Collection[str]) -> None:
    """Remove the rows of runs, all or none."""
    database.execute("CREATE TEMP TABLE gone (run TEXT PRIMARY KEY)")
    database.executemany("INSERT INTO gone VALUES (?)", [[run] for run in sorted(set(runs))])
    database.execute("BEGIN IMMEDIATE")
    try:
        for statement in FORGET:
            database.execute(statement)
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
    database.execute("DROP TABLE gone")
