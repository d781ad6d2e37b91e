"""What a condition means in every vector store: random payloads and random conditions against one plain reading."""

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from clickhouse_stand_in import PASSWORD, new_clickhouse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgresql_server import new_database
from qdrant_stand_in import stand_in
from remote_stores import STAND_INS

from llm_engineering.domain.chunks import Point, SparseVector, Vector
from llm_engineering.domain.conditions import And, Condition, Eq, In, Not, Or, Range
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.ports import VectorIndex, VectorStore
from llm_engineering.infrastructure.vector_stores import (
    Chroma,
    Clickhouse,
    Faiss,
    Lancedb,
    Memory,
    Pgvector,
    Qdrant,
    QdrantEdge,
)
from llm_engineering.infrastructure.vector_stores.conditions.matching import fulfils

UNIT = (1.0, 0.0, 0.0, 0.0)
NAMES = ["a", "a.b", "due date", "größe", "list[0]", "it's", "tenant", "1", "", "*", "a[]", "null"]
TEXTS = ["ml", "3", "-3", "3.0", "true", "False", "", " ", "x'y", 'say "hi"', "*", "mł", "1e3", "007", "null", "\x00"]
NUMBERS = [0, 1, 3, -3, 3.0, 2.5, -0.0, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 1e300, 5e-324]


def manifest() -> IndexManifest:
    card = ModelCard(name="tiny", digest="d1", dimension=4, max_tokens=16)
    return IndexManifest(version="v1", fingerprint="f1", model=card, payload_indexes=("metadata.a", "metadata.tenant"))


def vector() -> Vector:
    return array("f", UNIT)


def point(number: int, metadata: dict[str, Any]) -> Point:
    payload = {"uri": f"file:///{number}", "source": f"s{number % 2}", "document_id": str(number), "metadata": metadata}
    return Point(str(uuid5(NAMESPACE_URL, str(number))), vector(), SparseVector((1,), (1.0,)), payload)


scalars = st.one_of(st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.booleans())
payloads = st.dictionaries(st.sampled_from(NAMES), scalars, max_size=4)
fields = st.one_of(st.sampled_from([f"metadata.{name}" for name in NAMES]), st.sampled_from(["source", "uri", "none"]))
bounds = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 2.5, 3.0, -3.0, 1e300]))
ranges = st.tuples(fields, bounds, bounds, bounds, bounds).filter(
    lambda drawn: any(one is not None for one in drawn[1:])
)
leaves = st.one_of(
    st.builds(lambda field, value: Eq(field=field, value=value), fields, scalars),
    st.builds(lambda field, values: In(field=field, values=tuple(values)), fields, st.lists(scalars, max_size=3)),
    ranges.map(lambda drawn: Range(field=drawn[0], gt=drawn[1], gte=drawn[2], lt=drawn[3], lte=drawn[4])),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: And(conditions=tuple(parts)), st.lists(inner, max_size=3)),
        st.builds(lambda parts: Or(conditions=tuple(parts)), st.lists(inner, max_size=3)),
        st.builds(lambda denied: Not(condition=denied), inner),
    ),
    max_leaves=6,
)


SLOW = (pytest.param(kind, marks=pytest.mark.slow) for kind in ("chroma", "clickhouse"))


@pytest.fixture(
    scope="module",
    params=["qdrant_edge", "memory", "stand-in", "pgvector", "faiss", "lancedb", *SLOW, *STAND_INS],
)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorStore]:
    if request.param == "pgvector":
        server = new_database(request.getfixturevalue("pgvector_server")).replace("+psycopg", "")
        opened: VectorStore = Pgvector(url=server).open(Path(), "notes")
        yield opened
        opened.close()
        return
    if request.param in STAND_INS:
        with STAND_INS[request.param]() as opened:
            yield opened
        return
    if request.param == "clickhouse":
        monkeypatch = pytest.MonkeyPatch()
        monkeypatch.setenv("CLICKHOUSE_PASSWORD", PASSWORD)
        url = new_clickhouse(request.getfixturevalue("clickhouse_server")).replace(
            PASSWORD, "${env:CLICKHOUSE_PASSWORD}"
        )
        opened = Clickhouse(url=url).open(Path(), "notes")
        yield opened
        opened.close()
        monkeypatch.undo()
        return
    if request.param == "stand-in":
        with stand_in() as server:
            opened = Qdrant(url=server.url).open(Path(), "notes")
            yield opened
            opened.close()
        return
    specs = {"qdrant_edge": QdrantEdge, "memory": Memory, "faiss": Faiss, "lancedb": Lancedb, "chroma": Chroma}
    opened = specs[request.param]().open(tmp_path_factory.mktemp("store"), "notes")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def index(store: VectorStore) -> Iterator[VectorIndex]:
    with store.write(manifest()) as opened:
        yield opened


def found(index: VectorIndex, condition: Condition) -> set[str]:
    """Return who fulfils the condition, asked in every way there is."""
    by_search = {str(hit.payload["document_id"]) for hit in index.search_dense(vector(), 100, condition)}
    try:
        words = index.search_sparse(SparseVector((1,), (1.0,)), 100, condition)
        by_words = {str(hit.payload["document_id"]) for hit in words}
    except UsageError:  # a store that keeps no sparse vectors that it could search
        by_words = by_search
    by_scan = {str(payload["document_id"]) for payload in index.payloads(["document_id"], condition)}
    assert by_search == by_words == by_scan
    assert index.count(condition) == len(by_search)
    return by_search


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(stored=st.lists(payloads, min_size=1, max_size=5), asked=st.lists(conditions, min_size=1, max_size=6))
def test_a_condition_means_the_same_in_every_store(
    index: VectorIndex, stored: list[dict[str, Any]], asked: list[Condition]
) -> None:
    index.delete(list(index.ids()))
    points = [point(number, metadata) for number, metadata in enumerate(stored)]
    index.upsert(points)
    for condition in asked:
        wanted = {str(one.payload["document_id"]) for one in points if fulfils(one.payload, condition)}
        assert found(index, condition) == wanted, condition


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (In(field="metadata.a", values=()), False),
        (Or(conditions=()), False),
        (And(conditions=()), True),
        (Not(condition=In(field="metadata.a", values=())), True),
        (Not(condition=Or(conditions=())), True),
        (Not(condition=And(conditions=())), False),
        (Not(condition=Eq(field="metadata.never", value=1)), True),
        (Eq(field="metadata.a", value=float("nan")), False),
        (Not(condition=Eq(field="metadata.a", value=float("inf"))), True),
        (Eq(field="metadata.a", value=10**400), False),
        (In(field="metadata.a", values=(-(10**400), 2**64)), False),
        (Eq(field="metadata.a", value="9" * 400), False),
        (Eq(field="metadata", value="x"), False),
        (Eq(field="metadata.metadata.a", value=3), False),
    ],
)
def test_the_edges_of_conditions(index: VectorIndex, condition: Condition, holds: bool) -> None:
    index.delete(list(index.ids()))
    index.upsert([point(0, {"a": 3}), point(1, {"a": "text"}), point(2, {})])
    assert len(found(index, condition)) == (3 if holds else 0)


def test_a_field_with_a_quotation_mark_never_lets_anything_through(index: VectorIndex) -> None:
    index.delete(list(index.ids()))
    index.upsert([point(0, {"tenant": "a"})])
    for name in ("metadata.back\\slash", 'metadata.x"', 'metadata."tenant"', '"', 'metadata.x" OR "1"="1'):
        try:
            assert found(index, Eq(field=name, value="a")) == set()
        except UsageError as refusal:
            assert "quotation mark" in str(refusal)  # noqa: PT017 - either is right


def test_payloads_are_reduced_to_what_was_asked_for(index: VectorIndex) -> None:
    index.delete(list(index.ids()))
    index.upsert([point(number, {"a": number, "due date": "x"}) for number in range(3)])
    seen = sorted(
        ((payload["source"], payload["metadata"]["a"]) for payload in index.payloads(["source", "metadata.a"])),  # type: ignore[index]
        key=str,
    )
    assert seen == [("s0", 0), ("s0", 2), ("s1", 1)]
    assert list(index.payloads(["source"], Eq(field="source", value="nobody"))) == []
    names = {name for payload in index.payloads(["metadata"]) for name in payload["metadata"]}  # type: ignore[attr-defined]
    assert names == {"a", "due date"}


def test_a_publication_is_known_by_its_own_text(store: VectorStore, tmp_path: Path) -> None:
    if isinstance(store, type(Memory().open(tmp_path, "x"))):
        store = Memory().open(tmp_path, "other")
    elif isinstance(store, type(QdrantEdge().open(tmp_path, "x"))):
        store = QdrantEdge().open(tmp_path, "other")
    else:
        pytest.skip("the stand-in's version is being written by the tests above")
    assert store.publication() == ""
    seen = []
    for number in range(3):
        with store.write(manifest()) as opened:
            opened.upsert([point(number, {})])
            opened.flush()
            store.publish("v1")
        seen += [store.publication(), store.publication()]
    assert seen[0] == seen[1] != seen[2] == seen[3] != seen[4] == seen[5]
