"""The SQLite files of a collection that FAISS searches: connections of each thread, and errors in our words."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_engineering.domain.errors import BackendError

# Another process may be writing a batch, or rewriting the file after an erasure.
BUSY_SECONDS = 60.0
# Postings go to random places; with SQLite's own 2 MB each of them would be a read.
CACHE_KIB = 64 * 1024

BOOKS = "CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
# Numbers are never used again, so what FAISS has under one is that row's vector for ever. `labels` are the flat fields,
# as values of SQLite, which compares integers and fractions exactly; truth values are blobs, which equal no number.
TABLE = """
BEGIN;
CREATE TABLE about (dimension INTEGER NOT NULL, fields TEXT NOT NULL);
CREATE TABLE rows (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    id TEXT NOT NULL,
    first INTEGER NOT NULL,
    until INTEGER NOT NULL,
    payload TEXT NOT NULL,
    terms INTEGER NOT NULL,
    sparse BLOB,
    dense BLOB NOT NULL
);
CREATE INDEX rows_id ON rows (id);
CREATE INDEX rows_seen ON rows (first, until, terms);
CREATE TABLE terms (term INTEGER, n INTEGER, value REAL, PRIMARY KEY (term, n)) WITHOUT ROWID;
CREATE TABLE labels (name TEXT, value BLOB, n INTEGER, PRIMARY KEY (name, value, n)) WITHOUT ROWID;
CREATE INDEX labels_n ON labels (n);
"""


class Files:
    """The files in one folder, opened when they are first needed; nothing is created by looking."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._generation = 0

    def path(self, name: str) -> Path:
        """Return the file of a table."""
        return self.folder / f"{name}.db"

    @contextmanager
    def reading(self, name: str) -> Iterator[sqlite3.Connection]:
        """Yield this thread's connection to a file that is there.

        Raises:
            BackendError: it is not there, or cannot be read.
        """
        with translated(self.path(name)):
            if not self.path(name).exists():
                raise BackendError(
                    f"the index file {self.path(name)} is gone; run the feature pipeline to build the index again"
                )
            yield self._connection(name)

    @contextmanager
    def writing(self, name: str) -> Iterator[sqlite3.Connection]:
        """Yield this thread's connection, in one transaction that is committed at the end of the block."""
        with translated(self.path(name)):
            connection = self._connection(name)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def remove(self, name: str) -> None:
        """Remove a table's files. Those who have them open go on with what they opened."""
        for connection in self._connections().pop(name, ()):
            connection.close()
        with translated(self.path(name)):
            for path in (self.path(name), *(self.folder.glob(f"{name}-*.faiss*"))):
                for part in (path, *(path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm"))):
                    part.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self._local = threading.local()

    def _connection(self, name: str) -> sqlite3.Connection:
        opened = self._connections()
        if name not in opened:
            self.folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self.path(name), timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._opened.append(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            # The books say what was published, so they must not be older than what others have seen.
            connection.execute(f"PRAGMA synchronous = {'FULL' if name == 'books' else 'NORMAL'}")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            opened[name] = (connection,)
        return opened[name][0]

    def _connections(self) -> dict[str, tuple[sqlite3.Connection]]:
        if not hasattr(self._local, "opened"):
            self._local.opened = {}
        found: dict[str, tuple[sqlite3.Connection]] = self._local.opened
        return found


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise BackendError(f"{path} is being written to by another process ({error})", transient=True) from error
        if "no such" in str(error):
            raise BackendError(
                f"the index file {path} is of another make ({error}); remove the folder {path.parent} and run "
                "the feature pipeline to build the index again"
            ) from error
        raise BackendError(
            f"the index file {path} cannot be used ({error}); look whether the disk is full or the folder is read-only"
        ) from error
    except sqlite3.DatabaseError as error:
        raise BackendError(
            f"the index file {path} is damaged ({error}); remove the folder {path.parent} and run the feature pipeline "
            "to build the index again"
        ) from error
    except OSError as error:
        raise BackendError(f"the index in {path.parent} cannot be used ({error.strerror or error})") from error
