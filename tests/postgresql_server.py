"""A throw-away PostgreSQL server for tests, from the programs that Debian installs."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest

_numbers = count()


def with_pgvector() -> Path:
    """Return the folder of the programs of a PostgreSQL that has pgvector, from the package pgserver, or skip."""
    found = find_spec("pgserver")
    if found is None or found.origin is None:
        pytest.skip("no PostgreSQL with pgvector (pgserver) is installed")
    return Path(found.origin).resolve().parent / "pginstall/bin"


@contextmanager
def postgresql_server(programs: Path | None = None) -> Iterator[str]:
    """Run a cluster that listens on a socket in a temporary folder only; yield a URL with a place for `{name}`."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver (psycopg) is not installed")
    installed = [programs] if programs else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not installed:
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql")
    as_user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        Path(folder).chmod(0o777)

        def call(program: str, *arguments: str) -> None:
            command = [str(installed[-1] / program), *arguments]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **as_user)

        data = f"{folder}/data"
        call("initdb", "--pgdata", data, "--username", "tester", "--auth", "trust", "--no-sync", "--encoding", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "start", "--wait", "--pgdata", data, "--log", f"{folder}/log", "--options", options)
        try:
            yield f"postgresql+psycopg://tester@/{{name}}?host={folder}"
        finally:
            call("pg_ctl", "stop", "--mode", "immediate", "--pgdata", data)


def new_database(server: str) -> str:
    """Create an empty database on a server and return its URL."""
    import psycopg

    name = f"w{next(_numbers)}"
    with psycopg.connect(server.format(name="postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.format(name=name)
