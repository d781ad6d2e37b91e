"""Feature runs on a real Ray cluster of two nodes; left out where the extra 'ray' is missing."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from llm_engineering import plain
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.executors import Ray, release
from tests.ray_cluster import ENVIRONMENT, Doubling, two_nodes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # Ray leaves sockets and processes to the garbage collector
]
WORDS = ["cod", "eel", "owl", "fox", "elm", "oak", "fir", "ash", "yew", "bay", "sea", "ice", "fog", "sun", "sky", "day"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray", reason="needs the extra 'ray'; type: poetry install --extras ray")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        with two_nodes() as cluster:
            yield cluster
            release()


@pytest.fixture
def ray(cluster: Any) -> Ray:
    return Ray(address=cluster.address, patience=60)


def numbers(count: int) -> Iterator[list[int]]:
    return ([number] for number in range(count))


def run(home: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, **sections: object) -> tuple[Any, ...]:
    """Run the feature pipeline in a home of its own; return its counters, its chunks and its vectors."""
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(home))
    source = {"kind": "files", "root": str(corpus), "name": "corpus"}
    config = FeatureConfig.model_validate({"ingest": {"sources": [source]}, **sections})
    report = plain.feature(config)
    with Workspace().warehouse() as warehouse:
        chunks = sorted(warehouse.indexed_chunks("default", "v1"), key=lambda chunk: chunk.chunk_id)
        ((_, record),) = warehouse.index_records()
        vectors = warehouse.vectors(record.manifest.model.digest, {chunk.text_hash for chunk in chunks})
    counters = report.model_dump(exclude={"seconds", "sources", "steps", "corpus", "page"})
    return counters, record.manifest.fingerprint, chunks, {key: vectors[key].tobytes() for key in sorted(vectors)}


def write_corpus(folder: Path, documents: int, paragraphs: int) -> Path:
    folder.mkdir()
    for number in range(documents):
        chance = Random(number)
        text = "\n\n".join(" ".join(chance.choices(WORDS, k=60)) + f" {number}." for _ in range(paragraphs))
        (folder / f"{number}.md").write_text(f"# Nr {number}\n\n{text}\n", encoding="utf-8")
    return folder


def test_two_nodes_make_the_index_of_one_process(ray: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = write_corpus(tmp_path / "corpus", documents=150, paragraphs=5)
    hashing = {"kind": "hashing", "max_tokens": 64}
    here = run(tmp_path / "here", corpus, monkeypatch, embedding=hashing, executor="local")
    there = run(tmp_path / "there", corpus, monkeypatch, embedding=hashing, executor=ray.model_dump())
    assert here == there
    assert len(here[2]) > 600


def test_the_model_gives_the_same_vectors_bit_for_bit(
    ray: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "corpus", documents=3, paragraphs=1)
    precise = {"precision": "fp32", "threads": 1, "token_budget": 256}
    here = run(tmp_path / "here", corpus, monkeypatch, embedding=precise)
    there = run(tmp_path / "there", corpus, monkeypatch, embedding=precise, executor=ray.model_dump())
    assert here == there


def test_results_come_in_order_and_an_error_of_the_work_is_raised_as_itself(ray: Ray) -> None:
    with ray.open(0) as executor:
        assert list(executor.map(Doubling(), numbers(40))) == [[2 * number] for number in range(40)]
        with pytest.raises(UsageError, match="7 cannot be doubled"):
            list(executor.map(Doubling(bad=7), numbers(40)))
        assert list(executor.map(Doubling(), numbers(3))) == [[0], [2], [4]]


def test_few_batches_are_taken_ahead_of_what_was_asked_for(ray: Ray) -> None:
    taken: list[int] = []

    def counted() -> Iterator[list[int]]:
        for batch in numbers(1000):
            taken.append(batch[0])
            yield batch

    with ray.open(0) as executor:
        results = executor.map(Doubling(), counted())
        assert [next(results) for _ in range(20)] == [[2 * number] for number in range(20)]
        assert len(taken) < 30
        results.close()  # type: ignore[attr-defined]  # a cancelled run: nobody asks for the rest
        assert list(executor.map(Doubling(), numbers(2))) == [[0], [2]]


def test_a_batch_that_ends_its_workers_is_given_up_with_the_reason(ray: Ray) -> None:
    with (
        Ray(address=ray.address, attempts=2).open(0) as executor,
        pytest.raises(BackendError, match=r"batch 3 lost its worker 2 times \(executor.attempts\)"),
    ):
        list(executor.map(Doubling(deadly=3), numbers(8)))


def test_the_batches_of_a_node_that_dies_are_done_by_the_others(ray: Ray, cluster: Any) -> None:
    with ray.open(0) as executor:
        results = executor.map(Doubling(seconds=0.2), numbers(30))
        first = [next(results) for _ in range(4)]
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        assert [*first, *results] == [[2 * number] for number in range(30)]


def test_another_token_is_refused_before_anything_is_sent(ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another-token-0123456789")
    with pytest.raises(UsageError, match="refuses the token of this process"):
        ray.check()


def test_a_document_that_a_worker_stumbles_over_is_rejected_as_here(
    ray: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "corpus", documents=3, paragraphs=1)
    (corpus / "rock.md").write_text("An old volcano stands over the plain and smokes.\n")
    (corpus / "snow.md").write_text("The glacier melts a little every summer.\n")
    own = {
        "cleaning": {"cleaners": [{"kind": "python", "function": "tests.own_functions:clean"}]},
        "chunking": {"kind": "python", "function": "tests.own_functions:chunk"},
        "embedding": {"kind": "hashing"},
    }
    here = run(tmp_path / "here", corpus, monkeypatch, **own)
    there = run(tmp_path / "there", corpus, monkeypatch, **own, executor=ray.model_dump())
    assert sorted(item["reason"] for item in there[0]["rejections"]) == ["chunker_failed", "cleaner_failed"]
    assert here[2:] == there[2:]
