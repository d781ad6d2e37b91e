"""What is looked at before work is sent to a Ray cluster, and how batches are cut. No cluster is started."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from pydantic import TypeAdapter, ValidationError

from llm_engineering.config import FeatureConfig
from llm_engineering.domain.errors import BackendError, SourceError, UsageError
from llm_engineering.infrastructure.executors import ExecutorSpec, Ray
from llm_engineering.infrastructure.executors.ray_worker import portable


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "hunter2xyz" * 4)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def open_house() -> Iterator[str]:
    """Serve whoever asks, as a cluster without authentication does."""

    class Answer(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")

    server = grpc.server(ThreadPoolExecutor(1), handlers=(Answer(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_the_kind_alone_names_an_executor_and_local_is_the_default() -> None:
    assert FeatureConfig.model_validate({"executor": "ray"}).executor == Ray()
    assert FeatureConfig.model_validate({}).executor.kind == "local"
    with pytest.raises(ValidationError, match="'local', 'ray'"):
        FeatureConfig.model_validate({"executor": "spark"})


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "127.0.0.1", "host:0", ":6379"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="HOST:PORT"):
        TypeAdapter(ExecutorSpec).validate_python({"kind": "ray", "address": address})


def test_without_a_token_nothing_is_sent_and_it_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match=r"RAY_AUTH_MODE is not set.*export RAY_AUTH_MODE=token"):
        Ray().check()
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(UsageError, match=r"no token in RAY_AUTH_TOKEN or .*\.ray/auth_token.*ray get-auth-token"):
        Ray().check()
    (tmp_path / "token").write_text("\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(UsageError, match="is empty"):
        Ray().check()
    (tmp_path / "token").write_text("hunter2xyz\n")
    Ray().check()  # a cluster of its own: there is nobody to ask


@pytest.mark.usefixtures("token")
def test_a_cluster_that_lets_everybody_in_is_refused(open_house: str) -> None:
    with pytest.raises(UsageError, match=r"lets everybody in.*RAY_AUTH_MODE=token ray start") as refused:
        Ray(address=open_house).check()
    assert "hunter2" not in str(refused.value)


@pytest.mark.usefixtures("token")
def test_an_address_where_nobody_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UsageError, match=f"no Ray cluster answers at {address}"):
        Ray(address=address).check()
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    with pytest.raises(UsageError, match="RAY_ADDRESS is 'nonsense'"):
        Ray().check()


@pytest.mark.usefixtures("token")
def test_a_module_that_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder of a Python package"):
        Ray(modules=(tmp_path,)).check()


def test_errors_come_back_as_they_are_or_as_one_of_ours() -> None:
    class OddError(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} and {two}")

    ours, known, odd = UsageError("no"), ValueError("bad"), portable(OddError(1, 2))
    assert portable(ours) is ours
    assert portable(known) is known
    assert isinstance(odd, BackendError)
    assert "OddError: 1 and 2" in str(odd)
    assert "timeout: slow" in str(portable(SourceError("timeout", "slow")))
