"""A home, a configuration, and processes that run in it and can be killed at any moment."""

import json
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from chaos import child
from chaos.corpus import Corpus
from chaos.oracle import Dump, differences, dump, leftovers
from command_lines import ROOT

from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.failpoints import VARIABLE
from llm_engineering.domain.ports import VectorStore, Warehouse
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.vector_stores.folders import copy_sparse

# One process imports everything once and forks the others: a run starts in milliseconds instead of seconds.
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["chaos.child"])
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), str(ROOT), os.environ.get("PYTHONPATH", "")])

QUIET = ("embedding.kind=hashing", "embedding.dimension=32", "embedding.max_tokens=48", "load.collection=test")


@dataclass
class World:
    """A folder with a home and a corpus. `batches` divides the sizes of all batches; `source` replaces the corpus."""

    folder: Path
    batches: int = 16
    overrides: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def corpus(self) -> Corpus:
        return Corpus(self.folder / "documents")

    def config(self, *more: str) -> list[str]:
        source = self.source or f"{{kind: files, name: docs, root: {self.corpus.folder}}}"
        return [f"ingest.sources=[{source}]", *QUIET, *self.overrides, *more]

    def start(self, *more: str, failpoint: str = "", **environment: str) -> BaseProcess:
        """Start a run in a process of its own."""
        (self.folder / "report.json").unlink(missing_ok=True)
        variables = {"LLM_ENGINEERING_HOME": str(self.home), VARIABLE: failpoint, **self.environment, **environment}
        arguments = (variables, self.config(*more), self.folder, self.batches)
        process = _forks.Process(target=child.pipeline, args=arguments, daemon=True)
        process.start()
        return process

    def run(self, *more: str, failpoint: str = "", **environment: str) -> int:
        """Run to the end; return the exit code, negative for a signal."""
        return ended(self.start(*more, failpoint=failpoint, **environment))

    def run_well(self, *more: str, **environment: str) -> dict[str, Any]:
        """Run to the end and return the report."""
        code = self.run(*more, **environment)
        assert code == 0, f"the run ended with {code}: {self.log[-3000:]}"
        return self.report

    def read(self, valid: Sequence[Mapping[str, Mapping[str, str]]]) -> "Reader":
        """Start a process that reads and searches until it is stopped; all that it sees must be one of the states."""
        return Reader(self, valid)

    @contextmanager
    def opened(self) -> Iterator[tuple[Warehouse, VectorStore]]:
        """Open the warehouse and the store in this process."""
        settings = Settings(home=self.home, warehouse_url=self.environment.get("LLM_ENGINEERING_WAREHOUSE_URL", ""))
        workspace = Workspace(settings)
        load = read_config(FeatureConfig, None, self.config()).load
        with workspace.warehouse() as warehouse, workspace.store(load) as store:
            yield warehouse, store

    def save(self, name: str) -> None:
        """Keep a copy of the home, to go back to."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        if self.home.exists():
            shutil.copytree(self.home, self.folder / name, copy_function=copy_sparse)

    def restore(self, name: str) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        if (self.folder / name).exists():
            shutil.copytree(self.folder / name, self.home, copy_function=copy_sparse)
        for file in ("log", "embedded"):
            (self.folder / file).unlink(missing_ok=True)

    def dump(self) -> Dump:
        return dump(self.home)

    def faults(self, expected: Dump) -> list[str]:
        """Return what is not as after an uninterrupted run."""
        return [*differences(expected, self.dump()), *(f"left behind: {name}" for name in leftovers(self.home))]

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return report

    @property
    def embedded(self) -> list[int]:
        """The sizes of the batches that were embedded since the last `restore`."""
        path = self.folder / "embedded"
        return [int(line) for line in path.read_text().split()] if path.exists() else []


class Reader:
    """A process that reads and searches the index while others write."""

    def __init__(self, world: World, valid: Sequence[Mapping[str, Mapping[str, str]]]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="reader-", dir=world.folder))
        (self.folder / "valid.json").write_text(json.dumps(valid))
        variables = {"LLM_ENGINEERING_HOME": str(world.home)}
        self._process = _forks.Process(target=child.reader, args=(variables, world.config(), self.folder), daemon=True)
        self._process.start()

    @property
    def seen(self) -> dict[str, Any]:
        """What it saw so far."""
        path = self.folder / "seen.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"reads": 0}
        return found

    def stop(self) -> dict[str, Any]:
        """End it and return what it saw."""
        (self.folder / "stop").touch()
        assert ended(self._process) == 0, (self.folder / "log").read_text()[-2000:]
        return self.seen


def ended(process: BaseProcess, seconds: float = 480) -> int:
    """Wait for a process and return its exit code."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"a process did not end within {seconds} s")
    return process.exitcode


def kill_after(process: BaseProcess, seconds: float) -> bool:
    """Kill a process after a while; return whether it was still at work."""
    process.join(seconds)
    process.kill()
    return ended(process) == -signal.SIGKILL


def wait_until(condition: Any, seconds: float = 120.0) -> None:
    """Wait until a condition holds."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.005)
