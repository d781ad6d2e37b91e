"""The assistant's state in its stores: addresses, versions, locks, servers that die, memory that is full."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from redis_server import redis_server
from sqlalchemy import create_engine

from llm_engineering.bootstrap import Workspace, open_state
from llm_engineering.config import AssistantConfig, read_config
from llm_engineering.domain.answers import Answer, Receipt
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.state import MemoryState, RedisState, SqlState
from llm_engineering.infrastructure.state.sql_tables import HEAD, MIGRATIONS, VERSION_TABLE, metadata
from llm_engineering.infrastructure.warehouse import open_warehouse

ROOT = Path(__file__).parents[2]


def config(*overrides: str) -> AssistantConfig:
    return read_config(AssistantConfig, None, list(overrides))


def test_without_a_word_in_the_yaml_it_is_a_file_in_the_home(home: Path) -> None:
    with closing(open_state(config(), Workspace())) as state:
        state.create_conversation("ada")
    assert (home / "assistant.db").is_file()
    assert not (home / "states").exists()


def test_kinds_and_limits_come_from_the_yaml() -> None:
    assert config("state.max_turns=7").state == SqlState(max_turns=7)
    assert config("state={kind: memory, keep_days: null}").state == MemoryState(keep_days=None)
    redis = config("state={kind: redis, url: 'rediss://me:${env:PASSWORD}@redis.example:6380/2'}").state
    assert redis == RedisState(url="rediss://me:${env:PASSWORD}@redis.example:6380/2")


@pytest.mark.parametrize(
    "section",
    [
        "{kind: redis, url: 'redis://:hunter22@host:6379'}",
        "{kind: redis, url: 'redis://me:hunter22@host:6379'}",
        "{kind: sql, url: 'postgresql://me:hunter22@host/name'}",
        "{kind: sql, url: 'postgresql://me:${hunter22}@host/name'}",
    ],
)
def test_a_secret_in_the_yaml_is_refused_without_showing_it(section: str) -> None:
    with pytest.raises(UsageError, match="env:") as caught:
        config(f"state={section}")
    assert "hunter22" not in str(caught.value) or "${hunter22}" in section


@pytest.mark.parametrize("url", ["http://host", "redis.example:6379", ""])
def test_an_address_that_is_none_of_redis_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="redis://"):
        config(f"state={{kind: redis, url: '{url}'}}")


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="CHAT_URL is not set"):
        SqlState(url="${env:CHAT_URL}").open(tmp_path)
    monkeypatch.setenv("CHAT_URL", "http://host")
    with pytest.raises(UsageError, match="begins with one of redis://"):
        RedisState(url="${env:CHAT_URL}").open(tmp_path)
    with pytest.raises(UsageError, match="'mysql', which is not supported"):
        SqlState(url="mysql://host/name").open(tmp_path)


def test_a_missing_client_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("llm_engineering.infrastructure.state.redis_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(UsageError, match=r"pip install 'llm-engineering\[redis\]'"):
        RedisState().open(tmp_path)


def test_the_configuration_is_read_without_heavy_imports() -> None:
    code = "import sys, llm_engineering.infrastructure.state; print({'sqlalchemy', 'redis'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"


# The database


def test_the_migrations_make_the_tables_of_the_code(tmp_path: Path) -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD
    SqlState().open(tmp_path).close()
    engine = create_engine(f"sqlite:///{tmp_path / 'assistant.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_it_can_live_beside_the_warehouse(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'both.db'}"
    with closing(open_warehouse(url)) as warehouse, closing(SqlState(url=url).open(tmp_path)) as state:
        made = state.create_conversation("ada")
        assert warehouse.start_run("feature", {}) == 1
        assert state.conversation("ada", made.id) == made
    open_warehouse(url).close()
    SqlState(url=url).open(tmp_path).close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    SqlState().open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "assistant.db")) as connection, connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(UsageError, match=r"the assistant's state .* version 9999.*up to 0001"):
        SqlState().open(tmp_path)


def test_a_locked_database_is_a_failure_that_may_pass(tmp_path: Path) -> None:
    with closing(SqlState(busy_seconds=0.1).open(tmp_path)) as state:
        made = state.create_conversation("ada")
        with closing(sqlite3.connect(tmp_path / "assistant.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(BackendError, match="another process is writing") as caught:
                state.create_conversation("ada")
            assert caught.value.transient
            assert state.conversation("ada", made.id) == made  # readers are not kept waiting
        state.create_conversation("ada")


def test_a_damaged_receipt_is_named(tmp_path: Path) -> None:
    with closing(SqlState().open(tmp_path)) as state:
        answer = Answer(id="a", question="Q?", text="T.", outcome="no_answer")
        state.keep_receipt("ada", Receipt(answer=answer))
        with closing(sqlite3.connect(tmp_path / "assistant.db")) as connection, connection:
            connection.execute("UPDATE assistant_receipts SET content = '{\"later\": 1}'")
        with pytest.raises(BackendError, match="a Receipt that cannot be read"):
            state.receipt("ada", "a")


def test_what_has_expired_leaves_the_file(tmp_path: Path) -> None:
    SqlState(keep_days=1e-9).open(tmp_path).close()
    with closing(SqlState().open(tmp_path)) as state:
        state.create_conversation("ada", "Whales")
        answer = Answer(id="a", question="Q?", text="T.", outcome="no_answer")
        state.keep_receipt("ada", Receipt(answer=answer), ["document"])
        state.cache("key", "value", 0.001)
    with closing(SqlState(keep_days=1e-9).open(tmp_path)) as state:
        state.claim("other", 60)  # a write that comes upon it
    with closing(sqlite3.connect(tmp_path / "assistant.db")) as connection:
        tables = ("conversations", "receipts", "citations", "entries")
        left = [connection.execute(f"SELECT count(*) FROM assistant_{table}").fetchone()[0] for table in tables]
    assert left == [0, 0, 0, 1]


# Redis


def test_a_redis_server_that_dies_is_a_failure_that_may_pass() -> None:
    with redis_server() as server:
        state = RedisState(url=server.url).open(Path())
        assert state.claim("key", 60)
        server.process.kill()
        server.process.wait()
        for _ in range(2):
            with pytest.raises(BackendError, match="cannot be used") as caught:
                state.claim("key", 60)
            assert caught.value.transient
        state.close()


def test_a_redis_server_wants_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with redis_server("--save", "", "--requirepass", "open-sesame") as server:
        with pytest.raises(UsageError, match="refuses"):
            RedisState(url=server.url).open(Path())
        monkeypatch.setenv("CHAT_PASSWORD", "open-sesame")
        url = server.url.replace("redis://", "redis://:${env:CHAT_PASSWORD}@")
        with closing(RedisState(url=url).open(Path())) as state:
            state.ping()
        monkeypatch.setenv("CHAT_PASSWORD", "wrong-sesame")
        with pytest.raises(UsageError, match="refuses") as caught:
            RedisState(url=url).open(Path())
        assert "sesame" not in str(caught.value)


def test_prefixes_keep_two_assistants_on_one_redis_server_apart() -> None:
    with redis_server() as server:
        one, other = (RedisState(url=server.url, prefix=prefix).open(Path()) for prefix in ("a*:", "ab:"))
        for state in (one, other):
            state.cache("key", state.create_conversation("ada").id, 60, ["whale"])
        assert one.cached("key") != other.cached("key")
        assert one.forget_documents(["whale"]) == 1
        assert (one.cached("key"), other.cached("key") is None) == (None, False)
        one.close()
        other.close()


# Memory


def test_memory_that_is_full_loses_the_oldest_and_never_a_claim(tmp_path: Path) -> None:
    state = MemoryState(max_items=3).open(tmp_path)
    assert state.claim("claim", 600)
    for number in range(5):
        state.cache(f"{number}", "text", 600)
        state.create_conversation(f"{number}")
        state.keep_receipt("ada", Receipt(answer=Answer(id=f"{number}", question="", text="", outcome="answered")))
    assert [state.cached(f"{number}") for number in range(5)] == [None, None, None, "text", "text"]
    assert not state.claim("claim", 600)
    assert [len(state.conversations(f"{number}")) for number in range(5)] == [0, 0, 1, 1, 1]
    assert [state.receipt("ada", f"{number}") is not None for number in range(5)] == [False, False, True, True, True]
