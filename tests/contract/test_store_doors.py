"""What is refused before any work starts: a missing extra, a wrong address, a secret in the YAML, a search for words
that a store does not keep. And the table in the documentation."""

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import capability_table
import pytest
from loguru import logger

from llm_engineering import plain
from llm_engineering.bootstrap import Workspace
from llm_engineering.checkup import checkup
from llm_engineering.config import AssistantConfig, FeatureConfig, FeatureEngineeringConfig, read_config
from llm_engineering.domain.errors import BackendError, LLMEngineeringError, UsageError
from llm_engineering.infrastructure.vector_stores import ENGINES, Chroma, Clickhouse, EngineSpec, Faiss, Pgvector

PASSWORD = "hunter2-of-the-tests"
VARIABLE = "LLM_ENGINEERING_PGVECTOR_URL"


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", VARIABLE),
        ("mysql://127.0.0.1/base", "use postgresql:// or postgres://"),
        ("127.0.0.1:5432", "use postgresql://"),
        ("postgresql://", "is no address"),
        (f"postgresql://me:{PASSWORD}@[x/base", "is no URL"),
        (f"postgresql://me:{PASSWORD}@127.0.0.1:99999/base", "is no URL"),
    ],
)
def test_what_is_no_address_is_refused_before_a_run_starts(
    monkeypatch: pytest.MonkeyPatch, address: str, says: str
) -> None:
    monkeypatch.setenv(VARIABLE, address)
    config = read_config(FeatureEngineeringConfig, None, ["load.store.kind=pgvector"])
    with pytest.raises(UsageError, match=says) as refused:
        config.resolved()
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql://me:{password}@127.0.0.1:{port}/base", "cannot be used.*Check that it runs"),
        ("postgresql://me:{password}@127.0.0.1:{silent}/base", "cannot be used.*timeout"),
        ("postgresql://me:{password}@no-such-host.invalid/base", "cannot be used.*no-such-host.invalid"),
        ("postgresql://me:{password}@127.0.0.1:{port}/base?nonsense=1", "write the address as postgresql://"),
    ],
)
def test_a_server_that_is_not_there_is_said_within_five_seconds_and_its_password_never(
    monkeypatch: pytest.MonkeyPatch, free_port: int, silent_port: int, address: str, says: str
) -> None:
    monkeypatch.setenv(VARIABLE, address.format(password=PASSWORD, port=free_port, silent=silent_port))
    logged: list[str] = []
    sink = logger.add(logged.append, level=logging.DEBUG)
    begun = time.monotonic()
    store = Pgvector().open(Path(), "notes")
    try:
        with pytest.raises(LLMEngineeringError, match=says) as refused:
            store.active()
    finally:
        store.close()
        logger.remove(sink)
    assert time.monotonic() - begun < 5
    assert PASSWORD not in f"{refused.value} {refused.value.__cause__} {logged}"


@pytest.mark.parametrize("kind", ["chroma", "clickhouse"])
@pytest.mark.parametrize("answers", ["never", "not at all"])
def test_other_servers_that_are_not_there_are_said_as_soon(
    monkeypatch: pytest.MonkeyPatch, free_port: int, silent_port: int, kind: str, answers: str
) -> None:
    spec = Chroma() if kind == "chroma" else Clickhouse()
    scheme, port = spec.schemes[0], silent_port if answers == "never" else free_port
    monkeypatch.setenv(spec.variable(), f"{scheme}://me:{PASSWORD}@127.0.0.1:{port}/base")
    store = spec.open(Path(), "notes")
    begun = time.monotonic()
    with pytest.raises(BackendError, match="cannot be used") as refused:
        store.active()
    assert time.monotonic() - begun < 5
    assert PASSWORD not in f"{refused.value} {refused.value.__cause__}"


def test_a_wrong_password_of_clickhouse_can_be_mended(monkeypatch: pytest.MonkeyPatch, clickhouse_server: str) -> None:
    from clickhouse_stand_in import PASSWORD as RIGHT

    url = clickhouse_server.format(name="default").replace(RIGHT, PASSWORD)
    monkeypatch.setenv("LLM_ENGINEERING_CLICKHOUSE_URL", url)
    with pytest.raises(UsageError, match="mend user and password") as refused:
        Clickhouse().open(Path(), "notes").active()
    assert PASSWORD not in str(refused.value)


def test_a_run_on_a_server_that_is_away_reads_no_source(
    monkeypatch: pytest.MonkeyPatch, free_port: int, tmp_path: Path, home: Path
) -> None:
    monkeypatch.setenv(VARIABLE, f"postgresql://127.0.0.1:{free_port}/base")
    source = f"ingest.sources=[{{kind: files, name: docs, root: {tmp_path}}}]"
    config = read_config(FeatureConfig, None, [source, "load.store.kind=pgvector", "embedding.kind=hashing"])
    with pytest.raises(BackendError, match="cannot be used"):
        plain.feature(config)
    with Workspace().warehouse() as warehouse:
        assert warehouse.start_run("feature", {}, []) == 1, "no run was opened"


def test_a_database_or_a_user_that_does_not_exist_can_be_mended(
    monkeypatch: pytest.MonkeyPatch, pgvector_server: str
) -> None:
    there = pgvector_server.replace("+psycopg", "")
    for address in (there.format(name="nowhere"), there.format(name="postgres").replace("tester", "nobody")):
        monkeypatch.setenv(VARIABLE, address)
        store = Pgvector().open(Path(), "notes")
        with pytest.raises(UsageError, match=f"does not exist.*{VARIABLE}"):
            store.versions()
        store.close()


def test_a_password_in_the_yaml_is_refused_unseen(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"load:\n  store:\n    kind: pgvector\n    url: postgresql://me:{PASSWORD}@host/base\n")
    with pytest.raises(UsageError, match=rf"line \d.*{VARIABLE}") as refused:
        read_config(FeatureConfig, path)
    assert PASSWORD not in str(refused.value)


def test_a_password_is_filled_in_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "p@ss/word-of-the-tests")
    spec = Pgvector(url="postgresql://me:${env:DB_PASSWORD}@127.0.0.1:1/base")
    assert spec.address() == "postgresql://me:p%40ss%2Fword-of-the-tests@127.0.0.1:1/base"
    with pytest.raises(BackendError) as refused:
        spec.open(Path(), "notes").active()
    assert "word-of-the-tests" not in str(refused.value)


@pytest.mark.parametrize("spec", ENGINES, ids=lambda spec: spec.name())
def test_a_missing_extra_is_refused_before_a_run_starts(
    monkeypatch: pytest.MonkeyPatch, spec: type[EngineSpec]
) -> None:
    monkeypatch.setattr(spec, "package", "not_installed_anywhere")
    mode = "hybrid" if spec.capabilities.has_sparse else "dense"
    chosen = [f"load.store.kind={spec.name()}", f"retrieval.mode={mode}"]
    config = read_config(FeatureEngineeringConfig, None, chosen)
    with pytest.raises(UsageError, match=f"poetry install --extras {spec.extra}"):
        config.resolved()
    with pytest.raises(UsageError, match=f"poetry install --extras {spec.extra}"):
        spec().open(Path(), "notes")


def test_a_store_without_words_is_refused_where_the_search_needs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    without = Faiss.capabilities.model_copy(update={"sparse": "none"})
    monkeypatch.setattr(Faiss, "capabilities", without)
    for config in (FeatureConfig, AssistantConfig):
        for mode in ("hybrid", "sparse"):
            with pytest.raises(UsageError, match=rf"'faiss' keeps no sparse vectors.*mode: {mode}.*mode: dense"):
                read_config(config, None, ["load.store.kind=faiss", f"retrieval.mode={mode}"])
        read_config(config, None, ["load.store.kind=faiss", "retrieval.mode=dense"])


def test_the_doctor_names_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch, free_port: int, home: Path) -> None:
    monkeypatch.setenv(VARIABLE, f"postgresql://me:{PASSWORD}@127.0.0.1:{free_port}/base")
    found = {check.name: check for check in checkup(None, ["load.store.kind=pgvector"], seconds=30)}
    assert found["vector store"].verdict == "broken"
    assert "cannot be used" in found["vector store"].found
    assert VARIABLE in found["vector store"].type
    assert PASSWORD not in str(found)


def test_the_doctor_looks_at_an_embedded_store_and_creates_nothing(home: Path) -> None:
    found = {check.name: check for check in checkup(None, ["load.store.kind=faiss"], seconds=30)}
    assert found["vector store"].verdict == "fine"
    assert found["index"].verdict == "optional"
    assert not (home / "vector_stores").exists()


def test_the_table_in_the_documentation_is_that_of_the_code() -> None:
    assert capability_table.written() == capability_table.table(), "python tests/capability_table.py writes it"


@pytest.mark.parametrize("spec", ENGINES, ids=lambda spec: spec.name())
def test_the_page_names_every_store(spec: type[EngineSpec]) -> None:
    page = capability_table.PAGE.read_text(encoding="utf-8")
    assert f"`{spec.name()}`" in page.partition("## Connection strings")[2]
