"""Work on a Ray cluster. It runs whatever it is sent, so it must know by a token who sends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import Executor
from llm_engineering.domain.value import Value

# What to type for a cluster of this machine that nobody else can reach; without the first variable, Ray listens on all
# interfaces of a machine with Linux.
_HEAD = "ray start --head --port=6379 --node-ip-address=127.0.0.1"
START = f"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 RAY_AUTH_MODE=token {_HEAD}"


class Ray(Value):
    """Clean, cut, tokenize and embed on a Ray cluster, which must demand a token (RAY_AUTH_MODE=token).

    This process alone writes to warehouse and store. The workers get the code of this package and of `modules` sent;
    what else is imported, and the files of the model, must be on every machine under the same path.
    """

    kind: Literal["ray"] = "ray"
    address: str = Field(
        "",
        description="HOST:PORT of the head node; 'auto': the cluster that was started on this machine; 'local': one "
        "for this run alone, on 127.0.0.1; empty: what RAY_ADDRESS says, else 'local'",
    )
    workers: int = Field(0, ge=0, le=10_000, description="at most so many at a time; 0: as many as the CPUs allow")
    cpus_per_worker: float = Field(1.0, gt=0, le=1024, description="CPUs that a worker takes on its node")
    gpus_per_worker: float = Field(0.0, ge=0, le=64, description="GPUs that a worker takes on its node")
    modules: tuple[Path, ...] = Field(
        (), description="folders of Python packages to send to the workers, for functions of your own"
    )
    attempts: int = Field(4, ge=1, le=100, description="how often a batch is tried whose worker dies")
    patience: float = Field(120.0, gt=0, le=86_400, description="seconds to wait for the first worker, or for another")

    @field_validator("address")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        if address.startswith("ray://"):
            raise ValueError("ray:// is for Ray's client; give HOST:PORT of the head node, as `ray start` prints it")
        host, _, port = address.rpartition(":")
        if address not in ("", "auto", "local") and not (host and port.isdigit() and 0 < int(port) < 65_536):
            raise ValueError("write HOST:PORT, for example 127.0.0.1:6379, or 'auto', or 'local'")
        return address

    @property
    def meant(self) -> str:
        """The address that counts."""
        return self.address or os.environ.get("RAY_ADDRESS", "") or "local"

    def check(self) -> None:
        """Look whether work can be sent: before anything else is done.

        Raises:
            UsageError: the extra is missing, there is no token, or the cluster does not answer or asks for no token.
        """
        if find_spec("ray") is None:
            raise UsageError("executor 'ray' needs the extra 'ray'; type: poetry install --extras ray")
        if missing := next((folder for folder in self.modules if not (folder / "__init__.py").is_file()), None):
            raise UsageError(f"executor.modules names {missing}, which is no folder of a Python package")
        from llm_engineering.infrastructure.executors.ray_door import check_door, token

        check_door(self.meant, token())

    @contextmanager
    def open(self, rows: int) -> Iterator[Executor]:  # noqa: ARG002 - the signature of every executor
        """Yield the executor, connected; the connection stays until the run is closed."""
        from llm_engineering.infrastructure.executors.ray_session import session

        yield session(self)
