"""How long `tools.index verify` takes: every point of a large index compared with ledger and warehouse.

    python -m benchmarks.verify [--chunks 100000]

It builds an index of made-up chunks in a temporary home (384 dimensions, about 1,000 characters and 50 weighted words a
chunk, 10 chunks a document), then times the comparison of the writer's index, point by point, and of the published copy
that readers see, and beside it the comparison by ids only that every run makes.
"""

import argparse
import os
import tempfile
import time
from array import array
from collections.abc import Iterator

import numpy as np

from llm_engineering import maintenance
from llm_engineering.application.verification import examine
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.chunks import Chunk, Point, SparseVector, Vector, point_digest
from llm_engineering.domain.documents import Document
from llm_engineering.domain.indexes import DocumentState, IndexedChunk, IndexManifest, ModelCard

CHUNKS_PER_DOCUMENT = 10
DOCUMENTS_PER_BATCH = 200
SETTINGS: dict[str, object] = {"schema": 0}


def main() -> None:
    """Build the index and time its verification."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__)
    parser.add_argument("--chunks", type=int, default=100_000)
    wanted = parser.parse_args().chunks
    with tempfile.TemporaryDirectory() as home:
        os.environ["LLM_ENGINEERING_HOME"] = home
        config = read_config(FeatureConfig, None, ["load.collection=benchmark"])
        started = time.perf_counter()
        build(config, wanted // CHUNKS_PER_DOCUMENT)
        print(f"built {wanted:,} chunks in {time.perf_counter() - started:.1f} s")
        report = maintenance.verify(config)
        assert report.ready, report.problems
        print(f"verify, index and published copy, every point: {report.seconds:.1f} s")
        started = time.perf_counter()
        with Workspace().warehouse() as warehouse, Workspace().store(config.load) as store, store.read() as index:
            assert examine(warehouse, index, "benchmark", deep=False).report().ready
        print(f"the same by ids only, one copy: {time.perf_counter() - started:.1f} s")


def build(config: FeatureConfig, documents: int) -> None:
    """Write documents, chunks, vectors and ledger, as a run would."""
    card = ModelCard(name="random", digest="d", dimension=384, max_tokens=256)
    workspace = Workspace()
    with workspace.warehouse() as warehouse, workspace.store(config.load) as store:
        run = warehouse.start_run("benchmark", {})
        made = IndexManifest(version="", fingerprint="f", model=card, settings=SETTINGS)
        manifest = warehouse.register_index("benchmark", made, run)
        with store.write(manifest) as index:
            for first in range(0, documents, DOCUMENTS_PER_BATCH):
                batch = [document(number) for number in range(first, min(first + DOCUMENTS_PER_BATCH, documents))]
                points = {each.id: list(chunks(each)) for each in batch}
                warehouse.put(batch, run)
                kept = {chunk.text_hash: point.dense for parts in points.values() for point, chunk in parts}
                warehouse.put_vectors(card.digest, kept)
                index.upsert([point for parts in points.values() for point, _ in parts])
                index.flush()
                entries = [
                    (DocumentState(each.id, each.content_hash), [chunk for _, chunk in points[each.id]])
                    for each in batch
                ]
                warehouse.record_indexed("benchmark", manifest.version, entries, run)
        store.publish(manifest.version)
        warehouse.finish_run(run, "completed", {})


def document(number: int) -> Document:
    """Return a document of its own text."""
    return Document(uri=f"made-up:{number}", source="benchmark", format="text", text=f"Document {number}. " * 500)


def chunks(document: Document) -> Iterator[tuple[Point, IndexedChunk]]:
    """Yield the points of a document with what the ledger knows of them."""
    for position in range(CHUNKS_PER_DOCUMENT):
        start = position * 900
        text = document.text[start : start + 900]
        chunk = Chunk(document.id, document.uri, document.source, "", position, start, start + 900, text, "", 200)
        payload: dict[str, object] = {"document_id": document.id, "uri": document.uri, "source": document.source}
        payload |= {"position": position, "text": text, "metadata": {"course": "a"}}
        point = Point(chunk.id, random_vector(), SparseVector(tuple(range(0, 600, 12)), (1.5,) * 50), payload)
        yield point, IndexedChunk(document.id, point.id, chunk.id, point_digest(point))


RANDOM = np.random.default_rng(0)


def random_vector() -> Vector:
    """Return a vector of length 1 in a random direction."""
    vector = RANDOM.standard_normal(384).astype(np.float32)
    return array("f", (vector / np.linalg.norm(vector)).tobytes())


if __name__ == "__main__":
    main()
