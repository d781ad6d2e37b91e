"""What runs in the processes that chaos kills: a pipeline, a reader. Imported once, before they are forked."""

import faulthandler
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

import pyarrow.parquet  # noqa: F401 - imported before the fork, or each process pays for it
import qdrant_edge  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401
import tqdm
from chaos.oracle import point_text
from loguru import logger

from llm_engineering import bootstrap, plain, stages  # noqa: F401
from llm_engineering.application import ingestion, loading
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain import failpoints
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.embedders import hashing
from llm_engineering.infrastructure.parquet import dataset, write_dataset  # noqa: F401
from llm_engineering.infrastructure.sources import files  # noqa: F401
from llm_engineering.infrastructure.vector_stores.qdrant_edge import index as edge_index
from llm_engineering.infrastructure.warehouse import schema, sql  # noqa: F401
from tools.command_line import guarded
from tools.plain_run import run_pipeline

tqdm.tqdm.set_lock(RLock())  # tqdm's own lock is a semaphore of the system, which a killed process leaves behind


def pipeline(environment: Mapping[str, str], overrides: Sequence[str], folder: Path, batches: int) -> None:
    """Run pipeline `feature`; the report, the log and the count of embedded texts go to files in the folder."""
    _enter(environment, folder / "log")
    _use_small_batches(batches)
    if rate := float(environment.get("FAILING", "0")):
        _fail_embeddings(rate, int(environment.get("SEED", "0")))
    _count_embeddings(folder / "embedded")  # last, so that it counts what was embedded, not what was tried

    def main() -> int:
        outcome = run_pipeline("feature", read_config(FeatureConfig, None, overrides).resolved())
        (folder / "report.json").write_text(outcome.report.model_dump_json())
        if outcome.error:
            sys.stderr.write(outcome.error)
        return outcome.exit_code

    # Not os._exit: what happens at the end of a process is part of the run.
    sys.exit(guarded(main))


def reader(environment: Mapping[str, str], overrides: Sequence[str], folder: Path) -> None:
    """Read and search the index until the file `stop` appears, and write down every answer that is not valid.

    `valid.json` holds the states that the whole index may have: document id → point id → what the point says.
    """
    _enter(environment, folder / "log")
    valid: list[dict[str, dict[str, str]]] = json.loads((folder / "valid.json").read_text())
    config = read_config(FeatureConfig, None, overrides)
    seen = {"reads": 0, "searches": 0, "unpublished": 0, "mixed": 0, "failed": 0}
    faults: list[str] = []
    while not (folder / "stop").exists():
        started = time.monotonic()
        try:
            _read(config, valid, seen, faults)
        except UsageError as error:
            if "no active version yet" not in str(error):
                faults.append(str(error))
                seen["failed"] += 1
            seen["unpublished"] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, a reader has failed
            faults.append(f"{type(error).__name__}: {error}")
            seen["failed"] += 1
        part = folder / "seen.part"
        part.write_text(json.dumps({**seen, "faults": faults[:20]}))
        part.replace(folder / "seen.json")
        # Leave the processor to the run: it is to be killed at work.
        time.sleep(max(0.03, 2 * (time.monotonic() - started)))


def _read(
    config: FeatureConfig, valid: list[dict[str, dict[str, str]]], seen: dict[str, int], faults: list[str]
) -> None:
    documents: dict[str, dict[str, str]] = {}
    with Workspace().store(config.load) as store, store.read() as index:
        for point in index.scan():
            documents.setdefault(str(point.payload["document_id"]), {})[point.id] = point_text(point)
    if documents not in valid:
        seen["mixed"] += 1
        faults.append(f"{len(documents)} documents are in no state that the index ever had")
    seen["reads"] += 1
    hits = stages.search(config, ["word1 word2 word3", "Document 5 part 2"], {}, 5)
    known = {point for state in valid for points in state.values() for point in points}
    if any(len(found) != 5 for found in hits) or any(hit.chunk_id not in known for found in hits for hit in found):
        seen["failed"] += 1
        faults.append(f"a search found {[len(found) for found in hits]} hits")
    seen["searches"] += 1


def _enter(environment: Mapping[str, str], log: Path) -> None:
    for name in [name for name in os.environ if name.startswith("LLM_ENGINEERING_")]:
        del os.environ[name]
    os.environ.update(environment)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    faulthandler.enable(sys.stderr)
    logger.remove()
    logger.add(sys.stderr, level="INFO")
    failpoints.arm(environment.get(failpoints.VARIABLE, ""))


def _use_small_batches(divisor: int) -> None:
    """Make a small corpus have as many commits as a large one."""
    patched: list[tuple[Any, str]] = [(ingestion, "BATCH"), (loading, "POINTS_PER_COMMIT"), (hashing, "BATCH")]
    for module, name in [*patched, (edge_index, "BATCH")]:
        setattr(module, name, max(getattr(module, name) // divisor, 2))


def _count_embeddings(path: Path) -> None:
    """Write a line for each batch that is embedded: how many texts it has."""
    original = hashing.HashingEmbedder.embed
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def embed(self: hashing.HashingEmbedder, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        for batch in original(self, texts):
            os.write(file, f"{len(batch)}\n".encode())
            yield batch

    hashing.HashingEmbedder.embed = embed  # type: ignore[method-assign]


def _fail_embeddings(rate: float, seed: int) -> None:
    """Let a share of the calls fail, as a service under load does."""
    import random

    from llm_engineering.domain.errors import BackendError

    dice = random.Random(seed)
    original = hashing.HashingEmbedder.embed

    def embed(self: hashing.HashingEmbedder, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        for batch in original(self, texts):
            if dice.random() < rate:
                raise BackendError("the embedding service is overloaded", transient=True)
            yield batch

    hashing.HashingEmbedder.embed = embed  # type: ignore[method-assign]
