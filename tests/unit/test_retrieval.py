"""Search over a small index in memory: modes, fusion, filters, ties."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llm_engineering.application import retrieval
from llm_engineering.application.retrieval import Convex, Fusion, Retrieval, Rrf, payload_filter
from llm_engineering.application.retrieval.fusion import normalised
from llm_engineering.domain.access import ALL
from llm_engineering.domain.chunks import Point, SparseVector
from llm_engineering.domain.conditions import EVERYTHING, condition_of
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.ports import VectorIndex
from llm_engineering.domain.queries import Hit, ScoredPoint
from llm_engineering.infrastructure.embedders import Hashing
from llm_engineering.infrastructure.vector_stores import Memory

EMBEDDER = Hashing(dimension=64).open(Path())
VOCABULARY = ["docker", "install", "certificate", "homework", "late", "deadline", "kafka", "spark"]


def tokenize(text: str) -> SparseVector:
    """A bag of the known words: enough to have lexical matches."""
    found = sorted({VOCABULARY.index(word) for word in text.lower().split() if word in VOCABULARY})
    return SparseVector(tuple(found), (1.0,) * len(found))


def point_id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def retrieve(*args: Any, **more: Any) -> list[Hit]:
    return list(retrieval.retrieve(*args, access=ALL, **more).hits)


def retrieve_all(*args: Any, **more: Any) -> list[list[Hit]]:
    return [list(hits) for hits in retrieval.retrieve_all(*args, access=ALL, **more)]


@contextmanager
def index_of(texts: dict[str, str], **metadata: dict[str, object]) -> Iterator[VectorIndex]:
    """Yield an index with a point for each name and text; `metadata` is by name."""
    manifest = IndexManifest(version="v1", fingerprint="f", model=EMBEDDER.card)
    store = Memory().open(Path(), "faq")
    with store.write(manifest) as index:
        index.upsert([point(name, text, metadata.get(name, {})) for name, text in texts.items()])
        yield index


def point(name: str, text: str, metadata: dict[str, object]) -> Point:
    payload = {
        "document_id": f"document of {name}", "uri": f"file:///{name}.md", "source": "notes", "title": name.title(),
        "start": 10, "end": 10 + len(text), "text": text, "metadata": metadata,
    }  # fmt: skip
    return Point(point_id(name), EMBEDDER.embed_query(text), tokenize(text), payload)


TEXTS = {
    "docker": "how to install docker on windows",
    "certificate": "when do I get my certificate",
    "homework": "can I submit homework late after the deadline",
}


@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
def test_the_best_passage_comes_first_in_every_mode(mode: str) -> None:
    with index_of(TEXTS) as index:
        hits = retrieve("late homework", index, EMBEDDER, tokenize, Retrieval(mode=mode))
    assert hits[0].chunk_id == point_id("homework")
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_hit_tells_its_place_and_what_each_method_gave() -> None:
    with index_of(TEXTS, homework={"course": "ml"}) as index:
        [hit] = retrieve("late homework", index, EMBEDDER, tokenize, Retrieval(k=1))
        dense = retrieve("late homework", index, EMBEDDER, tokenize, Retrieval(mode="dense", k=1))[0].score
        sparse = retrieve("late homework", index, EMBEDDER, tokenize, Retrieval(mode="sparse", k=1))[0].score
    assert (hit.document_id, hit.uri, hit.title) == ("document of homework", "file:///homework.md", "Homework")
    assert (hit.start, hit.end, hit.text) == (10, 10 + len(TEXTS["homework"]), TEXTS["homework"])
    assert hit.metadata == {"course": "ml"}
    assert hit.scores == {"dense": dense, "sparse": sparse}
    assert hit.score == pytest.approx(1.0)


def test_a_hit_that_only_one_method_found_shows_only_that_score() -> None:
    with index_of(TEXTS) as index:
        hits = retrieve("docker", index, EMBEDDER, tokenize, Retrieval())
    assert set(hits[0].scores) == {"dense", "sparse"}
    assert {frozenset(hit.scores) for hit in hits[1:]} == {frozenset({"dense"})}


def test_a_query_without_known_words_is_answered_by_meaning_alone() -> None:
    with index_of(TEXTS) as index:
        hits = retrieve("windows", index, EMBEDDER, tokenize, Retrieval())
        assert retrieve("windows", index, EMBEDDER, tokenize, Retrieval(mode="sparse")) == []
    assert hits[0].chunk_id == point_id("docker")
    assert len(hits) == 3


@pytest.mark.parametrize("fusion", [Convex(), Rrf()])
def test_a_single_candidate_gets_a_full_score(fusion: Fusion) -> None:
    with index_of({"docker": TEXTS["docker"]}) as index:
        [hit] = retrieve("install docker", index, EMBEDDER, tokenize, Retrieval(fusion=fusion))
    assert math.isfinite(hit.score)
    assert hit.score == pytest.approx(fusion.fuse({"dense": [scored("x", 1)], "sparse": [scored("x", 1)]})["x"])
    assert hit.score > 0.5


def test_equal_scores_come_in_the_order_of_their_ids() -> None:
    names = [f"copy {number}" for number in range(20)]
    with index_of(dict.fromkeys(names, "install docker")) as index:
        for mode in ("dense", "sparse", "hybrid"):
            hits = retrieve("install docker", index, EMBEDDER, tokenize, Retrieval(mode=mode, k=20, pool=20))
            assert [hit.chunk_id for hit in hits] == sorted(map(point_id, names))


def test_k_asks_for_so_many_hits_whatever_the_pool() -> None:
    names = {f"text {number}": f"install docker {number}" for number in range(80)}
    with index_of(names) as index:
        assert len(retrieve("docker", index, EMBEDDER, tokenize, Retrieval(pool=3), k=60)) == 60
        assert len(retrieve("docker", index, EMBEDDER, tokenize, Retrieval(k=7))) == 7
        with pytest.raises(UsageError, match="k is 0"):
            retrieve("docker", index, EMBEDDER, tokenize, Retrieval(), k=0)


def test_a_filter_restricts_both_methods() -> None:
    with index_of(TEXTS, docker={"course": "de"}, homework={"course": "ml"}) as index:
        hits = retrieve("late homework", index, EMBEDDER, tokenize, Retrieval(), {"course": "de"})
        assert [hit.chunk_id for hit in hits] == [point_id("docker")]
        by_place = retrieve("late", index, EMBEDDER, tokenize, Retrieval(), {"source": "notes", "title": "Docker"})
        assert [hit.chunk_id for hit in by_place] == [point_id("docker")]
        assert retrieve("late", index, EMBEDDER, tokenize, Retrieval(), {"course": "unknown"}) == []


def test_many_queries_are_answered_in_order_each_with_its_filter() -> None:
    queries = [("homework", {}), ("homework", {"title": "Docker"}), ("certificate", {})]
    with index_of(TEXTS) as index:
        answers = list(retrieve_all(queries, index, EMBEDDER, tokenize, Retrieval(k=1)))
    assert [hits[0].chunk_id for hits in answers] == [point_id("homework"), point_id("docker"), point_id("certificate")]


@pytest.mark.parametrize("query", ["", "  \n\t ", "\u2003"])
def test_an_empty_query_is_refused(query: str) -> None:
    with index_of(TEXTS) as index, pytest.raises(UsageError, match="query is empty"):
        retrieve(query, index, EMBEDDER, tokenize, Retrieval())


def test_an_embedder_of_another_model_is_refused_unless_it_is_not_needed() -> None:
    other = Hashing(dimension=32).open(Path())
    with index_of(TEXTS) as index:
        for mode in ("dense", "hybrid"):
            with pytest.raises(UsageError, match=r"hashing-64.*hashing-32.*cannot be compared"):
                retrieve("docker", index, other, tokenize, Retrieval(mode=mode))
            with pytest.raises(UsageError, match="need an embedder"):
                retrieve("docker", index, None, tokenize, Retrieval(mode=mode))
        assert retrieve("docker", index, None, tokenize, Retrieval(mode="sparse"))[0].chunk_id == point_id("docker")


# Fusion


def scored(name: str, score: float) -> ScoredPoint:
    return ScoredPoint(name, score, {})


RANKINGS = st.dictionaries(
    st.sampled_from(["dense", "sparse"]),
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1e6, 1e6), max_size=8),
    max_size=2,
)


@given(RANKINGS, st.floats(0, 1))
def test_convex_scores_lie_between_0_and_1(rankings: dict[str, dict[str, float]], weight: float) -> None:
    fused = Convex(weight=weight).fuse({method: points(ranking) for method, ranking in rankings.items()})
    assert set(fused) == {name for ranking in rankings.values() for name in ranking}
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in fused.values())


@given(RANKINGS)
def test_what_is_first_everywhere_stays_first(rankings: dict[str, dict[str, float]]) -> None:
    with_best = {method: [scored("best", 2e6), *points(ranking)] for method, ranking in rankings.items()}
    for fusion in (Convex(), Rrf()):
        fused = fusion.fuse(with_best)
        assert all(fused["best"] >= score for score in fused.values())


@given(st.lists(st.floats(-1e300, 1e300), max_size=20))
def test_normalised_scores_are_finite_and_keep_the_order(scores: list[float]) -> None:
    brought = normalised(scores)
    assert all(0.0 <= score <= 1.0 for score in brought)
    by_score = sorted(zip(scores, brought, strict=True))
    assert [score for _, score in by_score] == sorted(brought)


def points(ranking: dict[str, float]) -> Sequence[ScoredPoint]:
    ordered = sorted(ranking.items(), key=lambda pair: (-pair[1], pair[0]))
    return [scored(name, score) for name, score in ordered]


def test_rrf_adds_up_reciprocal_ranks() -> None:
    rankings = {"dense": [scored("a", 9), scored("b", 1)], "sparse": [scored("b", 5)]}
    assert Rrf(k=2, sparse_weight=0.5).fuse(rankings) == pytest.approx({"a": 1 / 3, "b": 1 / 4 + 0.5 / 3})


def test_convex_weighs_the_methods() -> None:
    rankings = {"dense": [scored("a", 9), scored("b", 1)], "sparse": [scored("b", 5), scored("a", 1)]}
    assert Convex(weight=0.7).fuse(rankings) == pytest.approx({"a": 0.7, "b": 0.3})


# Filters and settings


def test_a_key_means_a_payload_field_or_else_a_metadata_field() -> None:
    asked = {"course": "ml", "uri": "u", "metadata.uri": 1, "metadata.a.b": 2, "a.b c": True}
    meant = {"metadata.course": "ml", "uri": "u", "metadata.uri": 1, "metadata.a.b": 2, "metadata.a.b c": True}
    assert payload_filter(asked) == condition_of(meant)
    assert payload_filter({}) == EVERYTHING


def test_contradicting_and_empty_keys_are_refused() -> None:
    with pytest.raises(UsageError, match=r"metadata\.course.*'ml' and 'de'"):
        payload_filter({"course": "ml", "metadata.course": "de"})
    for key in ("", "metadata."):
        with pytest.raises(UsageError, match="empty key"):
            payload_filter({key: "x"})


def test_settings_are_read_by_kind_and_refuse_what_cannot_work() -> None:
    assert Retrieval.model_validate({"fusion": {"kind": "rrf", "k": 60}}).fusion == Rrf(k=60)
    for wrong in ({"mode": "fuzzy"}, {"fusion": {"kind": "convex", "weight": 2}}, {"k": 0}, {"pool": 0}, {"top": 3}):
        with pytest.raises(ValidationError):
            Retrieval.model_validate(wrong)
