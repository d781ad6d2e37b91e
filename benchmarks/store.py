"""The embedded store: how fast it is filled, beside qdrant-client's local mode, and how fast it is searched.

    python -m benchmarks.store [--load 20000] [--chunks 100000] [--searches 500]

The same made-up points go into both: 384 dimensions in a few hundred clusters, 40 weighted words by Zipf's law, and a
payload of 600 characters with a course. Ours is flushed to disk, indexed and published by then. Searches run in this
process, one after the other, as dense, as sparse, and as both with their fusion; with and without a course as filter.
"""

import argparse
import random
import statistics
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from uuid import UUID

import numpy as np
from qdrant_client import QdrantClient, models

from benchmarks.words import some_words
from llm_engineering.application.retrieval.fusion import DENSE, SPARSE, Rrf
from llm_engineering.domain.chunks import Point, SparseVector, Vector
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.ports import VectorIndex
from llm_engineering.infrastructure.vector_stores import QdrantEdge

DIMENSION, CLUSTERS, WORDS = 384, 300, 40
COURSES = ("ml", "data", "llm", "mlops", "stocks")
BATCH = 1_000
FOUND = 20
RANDOM = np.random.default_rng(0)
CENTRES = RANDOM.standard_normal((CLUSTERS, DIMENSION))


def main() -> None:
    """Fill both, then search ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", type=int, default=20_000, help="points to fill both stores with")
    parser.add_argument("--chunks", type=int, default=100_000, help="points to search in")
    parser.add_argument("--searches", type=int, default=500)
    arguments = parser.parse_args()
    points = list(made(arguments.load))
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        ours, local = timed(lambda: fill(Path(first), points)), timed(lambda: fill_local(Path(second), points))
    print(f"filling, {arguments.load:,} points: ours {ours:.1f} s, local mode {local:.1f} s: {local / ours:.1f} x")
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), made(arguments.chunks))
        store = QdrantEdge().open(Path(folder), "benchmark")
        with store.read() as index:
            search(index, arguments.searches)
        store.close()


def timed(work: Callable[[], None]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def fill(folder: Path, points: Sequence[Point] | Iterator[Point]) -> None:
    """Write, flush and publish as a feature run does."""
    card = ModelCard(name="random", digest="d", dimension=DIMENSION, max_tokens=256)
    manifest = IndexManifest(version="v1", fingerprint="f", model=card, payload_indexes=("metadata.course",))
    store, rest = QdrantEdge().open(folder, "benchmark"), iter(points)
    with store.write(manifest) as index:
        while batch := list(islice(rest, BATCH)):
            index.upsert(batch)
        index.flush()
    store.publish("v1")
    store.close()


def fill_local(folder: Path, points: Sequence[Point]) -> None:
    """Do the same with qdrant-client's local mode; it has no payload indexes."""
    client = QdrantClient(path=str(folder))
    client.create_collection(
        "benchmark",
        vectors_config={"dense": models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)},
        sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    for start in range(0, len(points), BATCH):
        client.upsert(
            "benchmark",
            [
                models.PointStruct(
                    id=point.id,
                    vector={"dense": point.dense.tolist(), "sparse": sparse(point.sparse)},
                    payload=point.payload,
                )
                for point in points[start : start + BATCH]
            ],
        )
    client.close()


def sparse(vector: SparseVector) -> models.SparseVector:
    """Return a sparse vector in the client's form."""
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def search(index: VectorIndex, searches: int) -> None:
    """Print the median and the 95th percentile of each way to search."""
    chance = random.Random(1)
    asked = [(dense(chance), words(chance, 8)) for _ in range(searches + 20)]
    for wanted in (None, {"metadata.course": COURSES[0]}):
        ways: dict[str, Callable[[Vector, SparseVector], object]] = {
            "dense": lambda vector, _, wanted=wanted: index.search_dense(vector, FOUND, wanted),  # type: ignore[misc]
            "sparse": lambda _, terms, wanted=wanted: index.search_sparse(terms, FOUND, wanted),  # type: ignore[misc]
            "hybrid": lambda vector, terms, wanted=wanted: Rrf().fuse(  # type: ignore[misc]
                {DENSE: index.search_dense(vector, FOUND, wanted), SPARSE: index.search_sparse(terms, FOUND, wanted)}
            ),
        }
        for name, way in ways.items():
            took = [timed(lambda way=way, one=one: way(*one)) for one in asked][20:]  # type: ignore[misc]
            p95 = statistics.quantiles(took, n=20)[-1]
            kind = "one course of five" if wanted else "all"
            print(f"{name:7} {kind:20} median {statistics.median(took) * 1e3:5.1f} ms, p95 {p95 * 1e3:5.1f} ms")


def made(count: int) -> Iterator[Point]:
    """Yield points, always the same."""
    chance = random.Random(0)
    for number in range(count):
        payload: dict[str, object] = {
            "document_id": f"d{number // 10}",
            "uri": f"made-up:{number}",
            "source": "made-up",
        }
        payload |= {"text": "x" * 600, "metadata": {"course": COURSES[number % len(COURSES)]}}
        yield Point(str(UUID(int=number + 1)), dense(chance), words(chance, WORDS), payload)


def dense(chance: random.Random) -> Vector:
    """Return a vector of length 1 near one of the centres."""
    vector = (CENTRES[chance.randrange(CLUSTERS)] + RANDOM.standard_normal(DIMENSION)).astype(np.float32)
    return array("f", (vector / np.linalg.norm(vector)).tobytes())


def words(chance: random.Random, count: int) -> SparseVector:
    """Return weighted words."""
    indices = sorted({hash_of(word) for word in some_words(chance, count)})
    return SparseVector(tuple(indices), (1.2,) * len(indices))


def hash_of(word: str) -> int:
    """Return a number for a word, the same in every process."""
    return int.from_bytes(word.encode()[:8].ljust(8, b"\0"), "big") % (2**31 - 1)


if __name__ == "__main__":
    main()
