"""Latency, throughput and overload of the service, beside the floor: the embedding of the queries alone.

    python -m benchmarks.service [--chunks 100000] [--seconds 10] [--home FOLDER]

It builds an index of made-up texts (Zipf's law, 384 dimensions, random vectors, real BM25 weights), starts
`python -m tools.serve` as a process and a bounded load client as another, and prints a table. With --home the index is
kept and used again. Everything runs on this machine, so the client's share of the processors is part of the figures.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.load import summary
from benchmarks.verify import random_vector
from benchmarks.words import question, sentence

CHUNKS_PER_DOCUMENT = 10
DOCUMENTS_PER_BATCH = 200
SENTENCES = 9
COLLECTION = "benchmark"


def main() -> None:
    """Build, serve, load, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--home", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = arguments.home or Path(temporary)
        os.environ["LLM_ENGINEERING_HOME"] = str(home)
        built = home / "benchmark-is-built"  # a build that was stopped is begun anew in another folder
        if not built.is_file():
            started = time.perf_counter()
            build(arguments.chunks // CHUNKS_PER_DOCUMENT)
            built.touch()
            print(f"built {arguments.chunks:,} chunks in {time.perf_counter() - started:.0f} s", flush=True)
        floor(arguments.seconds)
        with served() as (url, process):
            measured(url, process, arguments.seconds)


def measured(url: str, process: int, seconds: float) -> None:
    """Print latencies with 8 clients, and what overload does."""
    # By then the service knows most words of the corpus by their stems; its first searches learn them.
    loaded(url, "/search", "query", clients=8, seconds=8)
    before = processor_seconds(process)
    search = shown("/search, 8 clients", loaded(url, "/search", "query", clients=8, seconds=seconds))
    between = processor_seconds(process)
    ask = shown("/ask extractive, 8 clients", loaded(url, "/ask", "question", clients=8, seconds=seconds))
    for name, reply, used in (
        ("search", search, between - before),
        ("answer", ask, processor_seconds(process) - between),
    ):
        print(f"processor time of a {name}: {1_000 * used / reply['200']['count']:.1f} ms", flush=True)
    capacity = search["200"]["per_second"]
    for factor in (0.8, 2, 10):
        reply = loaded(url, "/search", "query", rate=factor * capacity, seconds=seconds)
        shown(f"/search at {factor} × {capacity:.0f}/s", reply)
    shown("/search, 8 clients, in the 3 s after", loaded(url, "/search", "query", clients=8, seconds=3))


def loaded(url: str, path: str, field: str, **options: float) -> dict[str, Any]:
    """Run the load client and return what it saw."""
    named = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    seed = str(time.monotonic_ns() % 10**9)
    command = [sys.executable, "-m", "benchmarks.load", url, path, field, *named, "--seed", seed]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def shown(name: str, reply: dict[str, Any]) -> dict[str, Any]:
    """Print a line for each status."""
    for status, numbers in sorted(reply.items()):
        line = " ".join(f"{key} {value:>8}" for key, value in numbers.items())
        print(f"{name:<38} {status:>14}  {line}", flush=True)
    return reply


def floor(seconds: float) -> None:
    """Print how fast queries are embedded when nothing else is done, by as many threads as there are processors."""
    from llm_engineering.bootstrap import Workspace
    from llm_engineering.config import AssistantConfig
    from llm_engineering.infrastructure.cores import available_cores
    from llm_engineering.serving.processors import few_threads

    few_threads(available_cores())
    embedder = AssistantConfig().embedding.open_queries(Workspace().home, lasting=True)
    embedder.embed_query("warm")
    taken: list[float] = []
    end = time.perf_counter() + seconds

    def work(seed: int) -> None:
        chance = random.Random(seed)
        while (now := time.perf_counter()) < end:
            embedder.embed_query(question(chance))
            taken.append(time.perf_counter() - now)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(available_cores())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown("query embedding alone", {"-": summary(taken, seconds)})


def processor_seconds(process: int) -> float:
    """Return how long a process and its children have computed so far (Linux)."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8").split()
    ticks = 0
    for number in (process, *children):
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """Run the service as a process and yield its address and its number."""
    command = [sys.executable, "-m", "tools.serve", "--port", "0", "--set", f"load.collection={COLLECTION}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split("answers at ")[1].split()[0], process.pid
    finally:
        process.terminate()
        process.wait(60)


def build(documents: int) -> None:
    """Write documents, chunks, vectors and ledger, as a run would."""
    from llm_engineering.application.text import Tokenizing
    from llm_engineering.bootstrap import Workspace
    from llm_engineering.config import FeatureConfig
    from llm_engineering.domain.chunks import Chunk, Point, point_digest
    from llm_engineering.domain.documents import Document
    from llm_engineering.domain.indexes import DocumentState, IndexedChunk, IndexManifest

    workspace, config, tokenizing = Workspace(), FeatureConfig(), Tokenizing()
    chance = random.Random(0)

    def made(number: int) -> tuple[Document, list[tuple[Point, IndexedChunk]]]:
        passages = [" ".join(sentence(chance) for _ in range(SENTENCES)) for _ in range(CHUNKS_PER_DOCUMENT)]
        text = "\n\n".join(passages)
        document = Document(uri=f"made-up:{number}", source="made-up", format="text", text=text, title=f"No. {number}")
        points, start = [], 0
        for position, passage in enumerate(passages):
            end = start + len(passage)
            chunk = Chunk(document.id, document.uri, document.source, "", position, start, end, passage, "", 120)
            payload: dict[str, object] = {
                "document_id": document.id,
                "uri": document.uri,
                "source": document.source,
                "title": document.title,
                "position": position,
                "start": start,
                "end": end,
                "text": passage,
                "metadata": {"course": f"course-{number % 8}"},
            }
            point = Point(chunk.id, random_vector(), tokenizing.sparse(passage), payload)
            points.append((point, IndexedChunk(document.id, point.id, chunk.text_hash, point_digest(point))))
            start = end + 2
        return document, points

    sections = {name: getattr(config, name).model_dump(mode="json") for name in ("cleaning", "tokenizing", "embedding")}
    manifest = IndexManifest(
        version="", fingerprint="f", model=config.embedding.card(workspace.home), settings={"schema": 0, **sections}
    )
    load = config.load.model_copy(update={"collection": COLLECTION})
    with workspace.warehouse() as warehouse, workspace.store(load) as store:
        run = warehouse.start_run("benchmark", {})
        manifest = warehouse.register_index(COLLECTION, manifest, run)
        with store.write(manifest) as index:
            for first in range(0, documents, DOCUMENTS_PER_BATCH):
                batch = [made(number) for number in range(first, min(first + DOCUMENTS_PER_BATCH, documents))]
                warehouse.put([document for document, _ in batch], run)
                index.upsert([point for _, points in batch for point, _ in points])
                index.flush()
                entries = [
                    (DocumentState(document.id, document.content_hash), [chunk for _, chunk in points])
                    for document, points in batch
                ]
                warehouse.record_indexed(COLLECTION, manifest.version, entries, run)
        store.publish(manifest.version)
        warehouse.finish_run(run, "completed", {})


if __name__ == "__main__":
    main()
