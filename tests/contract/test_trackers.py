"""Every tracker keeps the same facts of a run, and none of them can hurt what it watches."""

import socket
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from json import loads
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pydantic import ValidationError

from llm_engineering.bootstrap import Workspace, open_trackers
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.secrets import remember
from llm_engineering.infrastructure.trackers import Comet, Mlflow, TrackerSpec

Seen = dict[str, Any]


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


def of_mlflow(home: Path) -> list[Seen]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("llm-engineering")
    assert experiment is not None
    return [
        {
            "name": run.info.run_name,
            "tags": {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")},
            "parameters": run.data.params,
            "loss": [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "loss")],
            "ndcg": run.data.metrics.get("ndcg_at_10"),
            "files": {
                artifact.path: (home / "mlflow" / run.info.run_id / "artifacts" / artifact.path).read_bytes()
                for artifact in client.list_artifacts(run.info.run_id)
            },
            "status": run.info.status.lower(),
        }
        for run in client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    ]


def of_comet(home: Path) -> list[Seen]:
    return [_comet_run(archive) for archive in sorted((home / "comet").glob("*.zip"), key=lambda p: p.stat().st_mtime)]


def _comet_run(archive: Path) -> Seen:
    with zipfile.ZipFile(archive) as files:
        lines = [loads(line) for line in files.read("messages.json").decode().splitlines()]
        payloads = [(line["type"], line["payload"]) for line in lines]
        metrics = [p["metric"] for kind, p in payloads if kind == "metric_msg"]
        others = {p["key"]: p["value"] for kind, p in payloads if kind == "log_other"}
        parameters = [p["param"] for kind, p in payloads if kind == "parameter_msg"]
        uploads = [p for kind, p in payloads if kind == "file_upload"]
        return {
            "name": others.pop("Name"),
            "status": others.pop("status"),
            "tags": {key: others[key] for key in ("model",) if key in others},
            "parameters": {
                param["paramName"]: str(param["paramValue"]) for param in parameters
            },
            "loss": [(m["step"], m["metricValue"]) for m in metrics if m["metricName"] == "loss"],
            "ndcg": next((m["metricValue"] for m in metrics if m["metricName"] == "ndcg@10"), None),
            "files": {
                p["additional_params"]["fileName"]: files.read(Path(p["file_path"]).name) for p in uploads
            },
        }  # fmt: skip


pytestmark = pytest.mark.slow  # MLflow sets up a database for each test

ADAPTERS = [pytest.param(Mlflow(), of_mlflow, id="mlflow"), pytest.param(Comet(), of_comet, id="comet")]
Reading = Callable[[Path], list[Seen]]


def train(spec: TrackerSpec, home: Path, name: str = "a run", rate: float = 0.5) -> None:
    note = home / "note.txt"
    home.mkdir(exist_ok=True)
    note.write_text("trained with api_key=sk-live0123456789abcdef and care")
    with open_trackers([spec], Workspace()).run(name, {"model": "retriever"}) as run:
        run.parameters({"rate": rate, "password": "hunter2-hunter2", "base": "mini"})
        for step in (1, 2, 3):
            run.metrics({"loss": 1.0 / step}, step)
        run.metrics({"ndcg@10": 0.75})
        run.file(note)


@pytest.mark.parametrize(("spec", "read"), ADAPTERS)
def test_parameters_curves_figures_and_files_are_kept(spec: TrackerSpec, read: Reading, home: Path) -> None:
    train(spec, home)
    (seen,) = read(home)
    assert seen["name"] == "a run"
    assert seen["tags"] == {"model": "retriever"}
    assert seen["parameters"]["rate"] == "0.5"
    assert seen["loss"] == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert seen["ndcg"] == 0.75
    assert list(seen["files"]) == ["note.txt"]
    assert seen["status"] == "finished"


@pytest.mark.parametrize(("spec", "read"), ADAPTERS)
def test_two_runs_can_be_compared(spec: TrackerSpec, read: Reading, home: Path) -> None:
    train(spec, home, "first", 0.5)
    train(spec, home, "second", 0.25)
    first, second = read(home)
    assert (first["name"], second["name"]) == ("first", "second")
    assert {k for k in first["parameters"] if first["parameters"][k] != second["parameters"][k]} == {"rate"}


@pytest.mark.parametrize(("spec", "read"), ADAPTERS)
def test_secrets_are_not_kept(spec: TrackerSpec, read: Reading, home: Path) -> None:
    remember("a-value-that-was-handed-out")
    with open_trackers([spec], Workspace()).run("x a-value-that-was-handed-out", {"model": "retriever"}) as run:
        run.parameters({"url": "https://me:a-value-that-was-handed-out@example.org"})
    train(spec, home)
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file() and path.name != "note.txt")
    assert read(home)[1]["files"]["note.txt"] == b"trained with api_key=*** and care"
    for secret in (b"hunter2", b"sk-live", b"a-value-that-was-handed-out"):
        assert secret not in kept, secret
    assert "hunter2" not in str(read(home))


@pytest.mark.parametrize(("spec", "read"), ADAPTERS)
def test_a_run_that_an_error_left_is_failed(spec: TrackerSpec, read: Reading, home: Path) -> None:
    with pytest.raises(ValueError, match="boom"), open_trackers([spec], Workspace()).run("a", {}):
        raise ValueError("boom")
    assert read(home)[0]["status"] == "failed"


@pytest.mark.parametrize(("spec", "read"), ADAPTERS)
def test_no_connection_is_opened_without_a_server(
    spec: TrackerSpec, read: Reading, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: connected.append(address))
    train(spec, home)
    assert len(read(home)) == 1
    assert connected == []


def test_a_server_that_never_answers_is_not_waited_for(home: Path, said: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        spec = Mlflow(uri=f"http://127.0.0.1:{silent.getsockname()[1]}", patience=1)
        tracker = open_trackers([spec], Workspace())
        started = time.monotonic()
        with tracker.run("a", {}) as run:
            for step in range(20_000):
                run.metrics({"loss": 1.0}, step)
        assert time.monotonic() - started < 15  # MLflow itself would try for minutes
    assert len(said) == 1
    assert "MLflow does not watch run 'a' to its end" in said[0]


def test_a_tracker_that_fails_says_so_once_and_the_training_goes_on(home: Path, said: list[str]) -> None:
    home.mkdir()
    (home / "mlflow.db").write_text("this is no database")
    trained = 0
    with open_trackers([Mlflow()], Workspace()).run("a", {}) as run:
        for step in range(100):
            run.metrics({"loss": 1.0}, step)
            trained += 1
    assert trained == 100
    assert len(said) == 1
    assert "not a database" in said[0]


def test_a_file_that_is_missing_or_too_large_is_left_out(home: Path, said: list[str]) -> None:
    home.mkdir()
    large = home / "weights.bin"
    large.write_bytes(bytes(5 * 1024 * 1024))
    with open_trackers([Comet()], Workspace()).run("a", {}) as run:
        run.file(home / "missing.txt")
        run.file(large)
    assert of_comet(home)[0]["files"] == {}
    assert len(said) == 2


@pytest.mark.parametrize(("spec", "module"), [(Mlflow(), "mlflow"), (Comet(), "comet_ml")])
def test_a_missing_extra_says_what_to_type(
    spec: TrackerSpec, module: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=f"poetry install --extras {spec.kind}"):
        open_trackers([spec], Workspace())


def test_comet_online_needs_a_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMET_API_KEY", raising=False)
    with pytest.raises(UsageError, match="COMET_API_KEY"):
        open_trackers([Comet(offline=False)], Workspace())


def test_a_configuration_that_holds_a_secret_or_a_folder_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be a reference"):
        Comet(api_key="abcdef0123456789")
    with pytest.raises(ValidationError, match="holds a secret"):
        Mlflow(uri="https://me:hunter2@example.org")
    with pytest.raises(ValidationError, match="sqlite:///"):
        Mlflow(uri="./mlruns")


def test_no_tracker_at_all_is_one_that_tells_nobody(home: Path) -> None:
    with open_trackers([], Workspace()).run("a", {}) as run:
        run.parameters({"rate": 1.0})
        run.metrics({"loss": 1.0}, 1)
        run.file(home / "missing.txt")
