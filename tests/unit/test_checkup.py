"""What the doctor says: each failure is tried, and said with what to type."""

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback
from postgresql_server import postgresql_server

from llm_engineering.checkup import CHECKS, checkup, machine, models, packages, services, stores
from llm_engineering.checkup.subject import Subject, subject_of
from llm_engineering.config.project import ProjectConfig
from llm_engineering.domain.checkup import Check, all_pass
from llm_engineering.domain.documents import Document
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.vector_stores.locks import FileLock
from llm_engineering.infrastructure.warehouse import open_warehouse

HASHING = {"embedding": {"kind": "hashing"}}


def subject(**sections: object) -> Subject:
    return Subject(ProjectConfig.model_validate({**HASHING, **sections}), Settings())


def with_llm(**settings: object) -> Subject:
    return subject(llms=[{"name": "one", "kind": "openai", "model": "m", **settings}])


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server() as server:
        yield server


# As a whole


def test_a_new_installation_lacks_nothing_that_is_needed(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("embedding: {kind: hashing}\n")
    found = checkup(path, seconds=60)
    assert [check.name for check in found] == ["configuration", *(name for name, _ in CHECKS)]
    unexpected = [check for check in found if not check.passes and check.name not in ("packages", "space")]
    assert not unexpected
    assert not home.exists(), "looking creates nothing"


def test_looking_loads_no_model_and_nothing_heavy(home: Path) -> None:
    code = (
        "import sys\nfrom llm_engineering.checkup import checkup\ncheckup()\n"
        "heavy = {'torch', 'zenml', 'pyarrow', 'transformers', 'sentence_transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)


def test_a_check_that_does_not_answer_is_said_as_such(monkeypatch: pytest.MonkeyPatch, silent_port: int) -> None:
    def waits(_: Subject) -> Check:
        threading.Event().wait()
        raise AssertionError

    def fails(_: Subject) -> Check:
        raise ZeroDivisionError("half")

    monkeypatch.setattr("llm_engineering.checkup.CHECKS", (("slow", waits), ("odd", fails)))
    started = time.monotonic()
    _, slow, odd = checkup(seconds=0.5)
    assert time.monotonic() - started < 30
    assert (slow.verdict, "no answer in time" in slow.found) == ("broken", True)
    assert (odd.verdict, odd.found) == ("broken", "it cannot be looked at: ZeroDivisionError: half")


def test_an_invalid_configuration_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("load:\n  colection: x\n")
    found, looked_at = subject_of(path, ())
    assert (found.verdict, "line 2" in found.found, "'collection'" in found.found) == ("broken", True, True)
    assert looked_at.config == ProjectConfig()
    assert subject_of(tmp_path / "absent.yaml", ())[0].verdict == "broken"


def test_a_setting_that_cannot_be_is_named_and_the_rest_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_ENGINEERING_LEASE_SECONDS", "soon")
    found, looked_at = subject_of(None, ())
    assert (found.verdict, found.type) == ("broken", "unset LLM_ENGINEERING_LEASE_SECONDS")
    assert looked_at.settings.lease_seconds == 60


# The machine


@pytest.mark.parametrize(
    ("version", "verdict"), [((3, 10), "broken"), ((3, 11), "fine"), ((3, 12), "fine"), ((3, 13), "broken")]
)
def test_only_some_versions_of_python_do(version: tuple[int, int], verdict: str) -> None:
    found = machine.python(subject(), version)
    assert (found.verdict, bool(found.type)) == (verdict, verdict == "broken")


def test_git_is_needed_by_sources_of_its_kind_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert machine.git(subject()).verdict == "fine"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.git(subject()).verdict == "optional"
    repository = subject(ingest={"sources": [{"kind": "git", "name": "r", "url": "https://example.org/r.git"}]})
    assert (machine.git(repository).verdict, machine.git(repository).type) == ("missing", "apt install git")


def test_what_computes_is_said(tmp_path: Path) -> None:
    cpu = tmp_path / "cpuinfo"
    cpu.write_text("flags: amx_bf16 amx_tile\n")
    assert "bf16 with AMX" in machine.computing(subject(), tmp_path, cpu).found
    cpu.write_text("flags: avx512f avx512_bf16\n")
    assert "bf16 with AVX512" in machine.computing(subject(), tmp_path, cpu).found
    assert "fp32" in machine.computing(subject(), tmp_path, tmp_path / "absent").found
    wants = subject(embedding={"kind": "sentence_transformers", "device": "cuda"})
    assert machine.computing(wants, tmp_path, cpu).verdict == "missing"
    (tmp_path / "nvidia0").touch()
    assert "1 NVIDIA GPU" in machine.computing(wants, tmp_path, cpu).found


def test_a_home_that_cannot_be_written_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / "file" / "home"))
    found = machine.home(subject())
    assert (found.verdict, "LLM_ENGINEERING_HOME" in found.type) == ("broken", True)
    monkeypatch.setenv("LLM_ENGINEERING_HOME", "/proc/nothing")
    assert machine.home(subject()).verdict == "broken"


def test_too_little_space_is_said(tmp_path: Path) -> None:
    assert machine.space(subject(), enough=1).verdict == "fine"
    assert machine.space(subject(), enough=1 << 60).verdict == "missing"


def test_a_network_file_system_is_named_and_one_without_locks_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")
    assert machine.file_system_of(Path("/"), mounts) == "ext4"
    assert machine.file_locks(subject(), mounts).verdict == "optional"
    assert machine.file_locks(subject(), tmp_path / "absent").verdict == "fine"
    monkeypatch.setenv("LLM_ENGINEERING_HOME", "/proc")  # no file can be made there, let alone locked
    assert machine.file_locks(subject(), mounts).verdict == "broken"


# What is installed


def project(folder: Path, dependency: str, version: str) -> Path:
    (folder / "pyproject.toml").write_text(f'[project]\nname = "x"\ndependencies = ["{dependency}>=1"]\n')
    (folder / "poetry.lock").write_text(f'[[package]]\nname = "{dependency}"\nversion = "{version}"\n')
    return folder


def test_packages_that_are_not_as_the_lock_says_are_named(tmp_path: Path) -> None:
    other = packages.pinned(subject(), project(tmp_path, "loguru", "0.0.1"))
    assert (other.verdict, "loguru" in other.found, "0.0.1" in other.found) == ("broken", True, True)
    absent = packages.pinned(subject(), project(tmp_path, "surely-not-installed", "1"))
    assert (absent.verdict, absent.type) == ("missing", "poetry install")
    assert packages.pinned(subject(), tmp_path / "nowhere").verdict == "optional"


def test_an_extra_is_missing_only_where_the_configuration_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packages.EXTRAS, "redis", ("surely_not_installed.part", "conversations"))
    assert (packages.extras(subject()).verdict, "redis (conversations)" in packages.extras(subject()).found) == (
        "optional",
        True,
    )
    found = packages.extras(subject(state={"kind": "redis", "url": "redis://127.0.0.1:1"}))
    assert (found.verdict, found.type) == ("missing", "poetry install --extras 'redis'")


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ("pii", {"cleaning": {"cleaners": [{"kind": "pii"}]}}),
        ("languages", {"cleaning": {"cleaners": [{"kind": "language"}]}}),
        ("code", {"chunking": {"kind": "by_format", "code": {"kind": "code", "parser": "tree_sitter"}}}),
        ("spacy", {"tokenizing": {"lemmas": {"pipeline": "blank:en"}}}),
        ("spacy", {"embedding": {"kind": "spacy", "pipeline": "en_core_web_md"}}),
        ("ray", {"executor": {"kind": "ray"}}),
        ("faiss", {"load": {"store": {"kind": "faiss"}}}),
        ("pdf", {"ingest": {"sources": [{"kind": "pdf", "root": "manuals"}]}}),
        ("s3", {"ingest": {"sources": [{"kind": "objects", "url": "s3://lake/notes"}]}}),
        ("postgresql", {"state": {"kind": "sql", "url": "postgresql+psycopg://127.0.0.1/state"}}),
        ("mlflow", {"tracking": [{"kind": "mlflow"}]}),
        ("finetuning", {"training": {"trainer": {"kind": "sft"}}}),
    ],
)
def test_the_doctor_says_what_to_type_for_whatever_a_configuration_names(
    monkeypatch: pytest.MonkeyPatch, extra: str, named: dict[str, Any]
) -> None:
    monkeypatch.setitem(packages.EXTRAS, extra, ("surely_not_installed", "something"))
    assert packages.extras(subject()).verdict == "optional"
    found = packages.extras(subject(**named))
    assert (found.verdict, found.type) == ("missing", f"poetry install --extras '{extra}'")


# Stores


def warehouse_with(*documents: Document) -> None:
    warehouse = open_warehouse(Settings().database_url)
    warehouse.put(documents, warehouse.start_run("feature", {}) if documents else 0)
    warehouse.close()


def test_a_warehouse_is_made_by_the_first_run(home: Path) -> None:
    found = stores.warehouse(subject())
    assert (found.verdict, found.type) == ("optional", stores.RUN)
    warehouse_with()
    assert stores.warehouse(subject()).verdict == "fine"


def test_a_damaged_a_foreign_and_a_newer_warehouse_are_broken(home: Path) -> None:
    warehouse_with()
    with sqlite3.connect(home / "warehouse.db") as connection:
        connection.execute("UPDATE warehouse_version SET version_num = '9999'")
    connection.close()
    assert (stores.warehouse(subject()).verdict, "newer" in stores.warehouse(subject()).found) == ("broken", True)
    with sqlite3.connect(home / "warehouse.db") as connection:
        connection.execute("UPDATE warehouse_version SET version_num = '0001'")
    connection.close()
    assert (stores.warehouse(subject()).verdict, "migrates" in stores.warehouse(subject()).found) == ("optional", True)
    for name in ("warehouse.db-wal", "warehouse.db-shm"):
        (home / name).unlink(missing_ok=True)
    (home / "warehouse.db").write_bytes(b"no database at all" * 100)
    assert stores.warehouse(subject()).verdict == "broken"


@pytest.mark.parametrize("url", ["mysql://me:hunter22@h/x", "no url at all hunter22"])
def test_a_url_that_is_none_is_broken_and_its_password_not_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LLM_ENGINEERING_WAREHOUSE_URL", url)
    found = stores.warehouse(subject())
    assert (found.verdict, "hunter22" in str(found)) == ("broken", False)


def test_a_server_that_is_away_or_silent_is_said_within_five_seconds(
    monkeypatch: pytest.MonkeyPatch, free_port: int, silent_port: int
) -> None:
    pytest.importorskip("psycopg")
    for port in (free_port, silent_port):
        monkeypatch.setenv("LLM_ENGINEERING_WAREHOUSE_URL", f"postgresql://me:hunter22@127.0.0.1:{port}/x")
        started = time.monotonic()
        found = {check.name: check for check in checkup(None, ["embedding.kind=hashing"])}["warehouse"]
        assert time.monotonic() - started < 5 + 5, "with some grace for a busy machine"
        assert (found.verdict, "hunter22" in str(found)) == ("broken", False)


def test_a_wrong_user_database_or_password_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, postgresql: str
) -> None:
    wrong = {
        "nobody": postgresql.format(name="postgres").replace("tester@", "nobody:hunter22@"),
        "no database": postgresql.format(name="never_made").replace("tester@", "tester:hunter22@"),
    }
    for url in wrong.values():
        monkeypatch.setenv("LLM_ENGINEERING_WAREHOUSE_URL", url)
        found = stores.warehouse(subject())
        assert (found.verdict, "hunter22" in str(found)) == ("broken", False)
        assert found.type
    monkeypatch.setenv("LLM_ENGINEERING_WAREHOUSE_URL", postgresql.format(name="postgres"))
    assert stores.warehouse(subject()).verdict == "optional"


def test_a_wrong_password_is_said_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with postgresql_server() as server:
        folder = Path(server.partition("host=")[2])
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text("local all guarded scram-sha-256\n" + rules.read_text())
        import psycopg

        with psycopg.connect(server.format(name="postgres").replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right-one'")
            connection.execute("SELECT pg_reload_conf()")
        as_guarded = server.format(name="postgres").replace("tester@", "guarded:{}@")
        for password, verdict in (("hunter22", "broken"), ("right-one", "optional")):
            monkeypatch.setenv("LLM_ENGINEERING_WAREHOUSE_URL", as_guarded.format(password))
            found = _once_reloaded(verdict)
            assert (found.verdict, password in str(found)) == (verdict, False)


def _once_reloaded(verdict: str) -> Check:
    """The server takes its new rules a moment after it was told."""
    give_up = time.monotonic() + 30
    while (found := stores.warehouse(subject())).verdict != verdict and time.monotonic() < give_up:
        time.sleep(0.1)
    return found


def test_a_run_that_died_and_a_writer_at_work_are_named(home: Path) -> None:
    code = (
        "from llm_engineering.infrastructure.warehouse import open_warehouse\n"
        "from llm_engineering.infrastructure.settings import Settings\n"
        "open_warehouse(Settings().database_url).start_run('feature', {}, ['source docs'])"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)
    found = stores.runs(subject())
    assert (found.verdict, "run 1 (feature)" in found.found, found.type) == ("broken", True, stores.RUN)
    warehouse = open_warehouse(Settings().database_url)
    run = warehouse.start_run("feature", {}, ["source docs"])  # it closes the dead one
    assert f"run {run} (feature)" in stores.runs(subject()).found
    folder = home / "feature_store" / "test"
    folder.mkdir(parents=True)
    with FileLock(folder / "writer.lock", run=7) as lock:
        assert "writes to collection 'test'" in stores.runs(subject()).found
        assert lock.last_run() == 7, "looking leaves the signature as it is"
    warehouse.close()


def test_a_vector_store_that_is_away_is_broken(
    monkeypatch: pytest.MonkeyPatch, free_port: int, silent_port: int
) -> None:
    assert stores.vector_store(subject()).verdict == "optional"
    for port in (free_port, silent_port):
        monkeypatch.setenv("LLM_ENGINEERING_QDRANT_URL", f"http://127.0.0.1:{port}")
        started = time.monotonic()
        assert stores.vector_store(subject()).verdict == "broken"
        assert time.monotonic() - started < 20


def test_documents_without_an_index_miss_one(home: Path) -> None:
    assert stores.index(subject()).verdict == "optional"
    warehouse_with(Document("file:///a", "docs", "text", "whales"))
    found = stores.index(subject())
    assert (found.verdict, found.type) == ("missing", stores.RUN)


@pytest.mark.slow
def test_an_index_of_another_model_or_a_damaged_one_is_broken(home: Path, tmp_path: Path) -> None:
    from command_lines import config_file, indexed, tool

    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.txt").write_text("whales")
    config = config_file(tmp_path, f"{{kind: files, name: docs, root: {tmp_path / 'd'}}}")
    indexed(config)
    looked_at = subject(load={"collection": "test"})
    assert stores.index(looked_at).verdict == "fine"
    assert stores.vector_store(looked_at).verdict == "fine"
    other = subject(load={"collection": "test"}, embedding={"kind": "hashing", "dimension": 64})
    assert (stores.index(other).verdict, stores.index(other).type) == ("broken", stores.RUN)
    next((home / "feature_store" / "test").glob("active.*.json")).write_text("{")
    assert {check.name: check for check in checkup(config, seconds=60)}["index"].verdict == "broken"
    ran = tool(home, "doctor", "--config", str(config), "--json")
    assert (ran.code, ran.last_line["ready"]) == (1, False)


# Models


def test_a_model_that_is_not_here_or_has_other_weights_is_said(tmp_path: Path) -> None:
    away = subject(embedding={"kind": "sentence_transformers", "model": "owner/never-downloaded"})
    assert models.embedder(away).verdict == "missing"
    (tmp_path / "model").mkdir()
    no_weights = subject(embedding={"kind": "sentence_transformers", "model": str(tmp_path / "model")})
    found = models.embedder(no_weights)
    assert (found.verdict, "safetensors" in found.found) == ("broken", True)
    gone = subject(embedding={"kind": "sentence_transformers", "model": str(tmp_path / "gone")})
    assert models.embedder(gone).verdict == "broken"


@pytest.mark.model
def test_other_weights_than_pinned_are_broken() -> None:
    assert models.embedder(subject(embedding={"kind": "sentence_transformers"})).verdict == "fine"
    other = models.embedder(subject(embedding={"kind": "sentence_transformers", "digest": "0" * 64}))
    assert (other.verdict, "expected" in other.found) == ("broken", True)


def test_a_language_model_without_its_key_or_its_server_is_broken(
    monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    assert models.llms(subject()).verdict == "optional"
    for name in ("OPENAI_API_KEY", "MY_KEY"):
        monkeypatch.delenv(name, raising=False)
    no_key = models.llms(with_llm())
    assert (no_key.verdict, "OPENAI_API_KEY" in no_key.type) == ("broken", True)
    named = models.llms(with_llm(api_key="${env:MY_KEY}", base_url=f"http://127.0.0.1:{free_port}/v1"))
    assert (named.verdict, named.type) == ("broken", "export MY_KEY=…")
    monkeypatch.setenv("MY_KEY", "hunter22-hunter22")
    away = models.llms(with_llm(api_key="${env:MY_KEY}", base_url=f"http://127.0.0.1:{free_port}/v1"))
    assert (away.verdict, "hunter22" in str(away), str(free_port) in away.found) == ("broken", False, True)
    server = Loopback()
    try:
        assert models.llms(with_llm(api_key="${env:MY_KEY}", base_url=server.url)).verdict == "fine"
    finally:
        server.close()


# Services


def test_secrets_that_the_environment_lacks_are_named_and_others_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"kind": "git", "name": "r", "url": "https://me:${env:MY_TOKEN}@example.org/r.git"}
    needs = subject(ingest={"sources": [source]})
    monkeypatch.delenv("MY_TOKEN", raising=False)
    assert (services.secrets(needs).verdict, services.secrets(needs).type) == ("missing", "export MY_TOKEN=…")
    monkeypatch.setenv("MY_TOKEN", "hunter22")
    assert services.secrets(needs).found == "set: MY_TOKEN"


def test_a_damaged_database_of_zenml_is_broken(home: Path) -> None:
    assert services.zenml(subject()).verdict == "optional"
    folder = home / "zenml" / "local_stores" / "default_zen_store"
    folder.mkdir(parents=True)
    (folder / "zenml.db").write_bytes(b"no database" * 100)
    found = services.zenml(subject())
    assert (found.verdict, found.type.startswith("mv ")) == ("broken", True)


def test_a_dashboard_that_died_is_broken(home: Path, free_port: int) -> None:
    assert services.dashboard(subject()).verdict == "optional"
    home.mkdir(exist_ok=True)
    record = home / "dashboard.json"
    record.write_text(f'{{"address": "http://127.0.0.1:{free_port}", "pid": {os.getpid()}}}')
    assert services.dashboard(subject()).verdict == "broken"
    record.write_text("{")
    assert services.dashboard(subject()).type.startswith("rm ")
    server = Loopback()
    try:
        record.write_text(f'{{"address": "{server.url}", "pid": 1}}')
        assert services.dashboard(subject()).verdict == "fine"
    finally:
        server.close()


def test_a_port_that_is_taken_is_said(silent_port: int, free_port: int) -> None:
    taken = services.service_port(subject(serving={"port": silent_port}))
    assert (taken.verdict, str(silent_port + 1) in taken.type) == ("optional", True)
    assert services.service_port(subject(serving={"port": free_port})).verdict == "fine"


def test_the_verdict_of_all_is_that_of_what_is_needed() -> None:
    one = Check(name="a", verdict="optional", found="b", type="c")
    assert all_pass([one])
    assert not all_pass([one, one.model_copy(update={"verdict": "missing"})])
    assert str(one) == "optional  a: b\n          type: c"
