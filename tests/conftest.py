"""Builders that several suites share. Each returns a real object; nothing is mocked."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_engineering.domain import secrets
from llm_engineering.domain.ports import Warehouse

# As in `tools.command_line`, before anything loads torch: several workers share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a home of its own, so that no test sees the state of another or of the developer."""
    for name in [name for name in os.environ if name.startswith("LLM_ENGINEERING_")]:
        monkeypatch.delenv(name)
    # A secret of another test, handed out in this process, would be hidden in this one's messages.
    monkeypatch.setattr(secrets, "_known", set())
    home = tmp_path / "home"
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(home))
    return home


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    """Open a warehouse in memory: the real adapter on SQLite."""
    from llm_engineering.infrastructure.warehouse import open_warehouse

    warehouse = open_warehouse("sqlite://")
    yield warehouse
    warehouse.close()


@pytest.fixture
def faq() -> Path:
    """Return the folder of the FAQ corpus, or skip."""
    folder = SHARED_DATA / "faq"
    if not folder.is_dir():
        pytest.skip(f"the FAQ corpus is not at {folder}")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Embed with one thread: two of them wait for each other on a busy machine, for single questions above all."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pgvector_server() -> Iterator[str]:
    """Run a PostgreSQL that has pgvector, once for all tests; yield a URL with a place for `{name}`."""
    from postgresql_server import postgresql_server, with_pgvector

    with postgresql_server(with_pgvector()) as server:
        yield server


@pytest.fixture(scope="session")
def chroma_url() -> Iterator[str]:
    """Run a server of Chroma, once for all tests; yield its address."""
    from chroma_server import chroma_server

    with chroma_server() as url:
        yield url


@pytest.fixture(scope="session")
def clickhouse_server() -> Iterator[str]:
    """Run a stand-in for ClickHouse's server, once for all tests; yield an address with a place for `{name}`."""
    from clickhouse_stand_in import clickhouse_stand_in

    with clickhouse_stand_in() as server:
        yield server
