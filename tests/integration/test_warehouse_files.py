"""The warehouse as a file that several processes share, that is damaged, locked, full, or of another version."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event

from llm_engineering.domain.documents import Document
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.users import User
from llm_engineering.infrastructure.warehouse import open_warehouse
from llm_engineering.infrastructure.warehouse.schema import HEAD, MIGRATIONS, VERSION_TABLE
from llm_engineering.infrastructure.warehouse.sql import SqlWarehouse
from llm_engineering.infrastructure.warehouse.tables import metadata

ROOT = Path(__file__).parents[2]
ADA = User(first_name="Ada", last_name="Lovelace")

# Twenty processes that open the same database and create the same user, all at the same moment.
TWENTY_PROCESSES = """
import sys
from multiprocessing import get_context
from llm_engineering.domain.users import User
from llm_engineering.infrastructure.warehouse import open_warehouse, schema, sql  # imported once, before the fork

def work(barrier, answers):
    barrier.wait()
    warehouse = open_warehouse(sys.argv[1])
    created = warehouse.get_or_create_user(User(first_name="Ada", last_name="Lovelace"))
    answers.put((created, warehouse.start_run("p", {})))
    warehouse.close()

context = get_context("fork")
barrier, answers = context.Barrier(20), context.Queue()
processes = [context.Process(target=work, args=(barrier, answers)) for _ in range(20)]
for process in processes: process.start()
found = [answers.get(timeout=60) for _ in processes]
for process in processes: process.join()
print(sum(created for created, _ in found), sorted(run for _, run in found))
"""


def output_of(command: list[str]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.db"


def filled(path: Path) -> None:
    with opened(path) as warehouse:
        warehouse.put([Document(f"file:///{n}", "docs", "text", f"Text {n}. " * 50) for n in range(200)], run=1)


@contextmanager
def opened(path: Path, options: str = "") -> Iterator[SqlWarehouse]:
    warehouse = open_warehouse(f"sqlite:///{path}{options}")
    assert isinstance(warehouse, SqlWarehouse)
    with closing(warehouse):
        yield warehouse


def test_twenty_processes_open_a_fresh_database_and_create_one_user(path: Path) -> None:
    command = [sys.executable, "-c", TWENTY_PROCESSES, f"sqlite:///{path}"]
    assert output_of(command) == f"1 {list(range(1, 21))}\n"


def test_the_head_in_the_code_is_the_head_of_the_migrations() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


def test_the_migrations_make_the_tables_of_the_code(path: Path) -> None:
    filled(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_an_up_to_date_database_opens_without_alembic(path: Path) -> None:
    filled(path)
    code = (
        "import sys; from llm_engineering.infrastructure.warehouse import open_warehouse as o; o(sys.argv[1]).close()"
    )
    code += "; print('alembic' in sys.modules)"
    command = [sys.executable, "-c", code, f"sqlite:///{path}"]
    assert output_of(command) == "False\n"


def test_the_package_is_imported_without_sqlalchemy() -> None:
    code = "import sys; import llm_engineering.infrastructure.warehouse; print('sqlalchemy' in sys.modules)"
    command = [sys.executable, "-c", code]
    assert output_of(command) == "False\n"


def test_the_number_of_a_deleted_run_is_never_given_again(path: Path) -> None:
    with opened(path) as warehouse:
        last = [warehouse.start_run("p", {}) for _ in range(3)][-1]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM runs")
    with opened(path) as warehouse:
        assert warehouse.start_run("p", {}) == last + 1


def test_old_versions_of_a_document_are_kept_with_the_numbers_of_their_runs(path: Path) -> None:
    with opened(path) as warehouse:
        for run, text in [(3, "first"), (5, "first"), (8, "second"), (9, "first")]:
            warehouse.put([Document("file:///a", "docs", "text", text)], run=run)
    with closing(sqlite3.connect(path)) as connection:
        versions = connection.execute("SELECT version, text FROM document_versions ORDER BY version").fetchall()
        current = connection.execute("SELECT version, first_run, last_run FROM documents").fetchone()
    assert versions == [(3, "first"), (8, "second"), (9, "first")]
    assert current == (9, 3, 9)


def test_a_reader_goes_on_while_a_writer_writes(path: Path) -> None:
    filled(path)
    with opened(path) as warehouse, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM documents")
        assert len(warehouse.states("docs")) == 200
        other.rollback()


def test_a_failure_in_the_middle_of_a_call_leaves_nothing_of_it(path: Path) -> None:
    with opened(path) as warehouse:
        warehouse.put([Document("file:///a", "docs", "text", "old")], run=1)
        before = dict(warehouse.states("docs"))
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DROP TABLE document_versions")
        with pytest.raises(BackendError, match="document_versions"):
            warehouse.put([Document("file:///a", "docs", "text", "new")], run=2)
        assert warehouse.states("docs") == before


def test_a_lock_that_stays_is_a_transient_error_that_says_who_holds_it(path: Path) -> None:
    filled(path)
    with opened(path, "?timeout=0.1") as warehouse, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BackendError, match="another process is writing") as caught:
            warehouse.get_or_create_user(ADA)
        other.rollback()
        assert caught.value.transient
        assert warehouse.get_or_create_user(ADA)


def test_a_full_disk_is_an_error_that_says_so_and_nothing_is_half_written(path: Path) -> None:
    filled(path)
    with opened(path) as warehouse:
        engine = warehouse._database._engine
        engine.dispose()

        @event.listens_for(engine, "connect")
        def limit(connection: sqlite3.Connection, record: object) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + 2}")

        with pytest.raises(BackendError, match="disk is full; free some space") as caught:
            warehouse.put([Document("file:///large", "docs", "text", "x" * 1_000_000)], run=2)
        assert not caught.value.transient
        assert len(warehouse.states("docs")) == 200


def test_a_file_that_is_no_database_is_an_error_that_says_what_to_do(path: Path) -> None:
    path.write_bytes(b"This is no database at all. " * 100)
    with pytest.raises(BackendError, match="no SQLite database; restore a copy") as caught:
        open_warehouse(f"sqlite:///{path}")
    assert not caught.value.transient


def test_a_damaged_database_is_an_error_that_says_what_to_do(path: Path) -> None:
    filled(path)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(BackendError, match="damaged"), opened(path) as warehouse:
        list(warehouse.documents(list(warehouse.states("docs"))))


@pytest.mark.parametrize("where", ["no/such/folder/w.db", "."])
def test_a_path_that_cannot_be_opened_is_the_users_to_mend(where: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="check that its folder exists"):
        open_warehouse(f"sqlite:///{tmp_path / where}")


def test_a_database_that_cannot_be_written_is_the_users_to_mend(path: Path) -> None:
    filled(path)
    with opened(path) as warehouse:
        engine = warehouse._database._engine
        engine.dispose()
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
        with pytest.raises(UsageError, match="may write"):
            warehouse.get_or_create_user(ADA)


def test_a_newer_database_is_refused_and_left_as_it_is(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(UsageError, match=r"version 9999.*up to 0002.*Update llm-engineering"):
        open_warehouse(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM documents").fetchone() == (200,)


def test_a_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE users (name TEXT)")
    with pytest.raises(UsageError, match="another program named users"):
        open_warehouse(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("users",)]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("warehouse.db", "cannot be read; valid are sqlite:///"),
        ("", "cannot be read; valid are sqlite:///"),
        ("mysql://root:secret@host/db", "'mysql', which is not supported; valid are sqlite:///"),
        ("sqlite+aiosqlite:///x.db", "not supported"),
    ],
)
def test_a_wrong_url_is_refused_with_the_valid_forms_and_without_its_password(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        open_warehouse(url)
    assert "secret" not in str(caught.value)


def test_a_server_that_cannot_be_reached_is_a_transient_error_without_the_password() -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL's driver (psycopg) is not installed")
    with pytest.raises(BackendError, match="check that the server runs") as caught:
        open_warehouse("postgresql://ada:secret@127.0.0.1:1/warehouse")
    assert caught.value.transient
    assert "secret" not in str(caught.value)


def test_postgresql_without_its_driver_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match="type: pip install") as caught:
        open_warehouse("postgresql://ada:secret@127.0.0.1:1/warehouse")
    assert "secret" not in str(caught.value)
