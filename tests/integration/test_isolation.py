"""No filter shows a caller what its access does not: on each store that can be had here."""

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from qdrant_stand_in import stand_in

from llm_engineering.application.retrieval import Means, Retrieval, retrieve
from llm_engineering.application.retrieval.facets import count_values
from llm_engineering.application.retrieval.parents import Parents
from llm_engineering.application.retrieval.self_query import RuleSelfQuery
from llm_engineering.domain.access import ALL, Access
from llm_engineering.domain.chunks import Point, SparseVector
from llm_engineering.domain.conditions import And, Eq, In, Not, Or, Range
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.ports import VectorIndex
from llm_engineering.infrastructure.embedders import Hashing
from llm_engineering.infrastructure.vector_stores import Memory, Qdrant, QdrantEdge

EMBEDDER = Hashing(dimension=64).open(Path())
MINE = Access(tenants=("mine",))
METADATA: list[dict[str, Any]] = [
    {"tenant": "mine", "course": "ml"},
    {"tenant": "theirs", "course": "ml"},
    {"tenant": "THEIRS", "course": "ml", "tenant ": "mine", "metadata.tenant": "mine", "Tenant": "mine"},
    {"tenant": "mine2", "tenants": "mine", "metadata": "mine"},
    {"course": "mine", "source": "mine", '.tenant': "mine"},
    {"tenant": "", "course": "mine"},
    {"tenant": True},
    {"tenant": 1},
]  # fmt: skip

CANARY = Eq(field="course", value="ml")
ANY = And(conditions=())
# Whatever somebody may think of: negations, alternatives, empty lists, other spellings of the field, short and long
# forms, paths, quotes, wildcards, other types, and what other engines would take for operators.
INJECTIONS: list[Any] = [
    None, {}, ANY, Or(conditions=(ANY,)), Or(conditions=(ANY, CANARY)), Not(condition=Or(conditions=())),
    Not(condition=In(field="tenant", values=())), Not(condition=Eq(field="tenant", value="mine")),
    Not(condition=Eq(field="metadata.tenant", value="mine")), Not(condition=Not(condition=ANY)),
    Or(conditions=(Eq(field="tenant", value="mine"), Eq(field="tenant", value="theirs"))),
    Or(conditions=(Not(condition=Eq(field="tenant", value="mine")), Eq(field="tenant", value="mine"))),
    In(field="tenant", values=("mine", "theirs", "THEIRS", "mine2", "", True, 1)),
    {"tenant": "theirs"}, {"metadata.tenant": "theirs"}, {"tenant": ["mine", "theirs"]}, {"tenant": []},
    {"metadata.metadata.tenant": "mine"}, {"metadata.tenant ": "mine"}, {"Tenant": "mine"}, {"TENANT": "theirs"},
    {'metadata."tenant"': "theirs"}, {'x" or "1': "1"}, {"tenant[]": "theirs"}, {"tenant[0]": "theirs"},
    {"metadata.*": "theirs"}, {"*": "*"}, {"$or": "[{}]"}, {"should": "[]"}, {"must_not": "tenant"},
    {"metadata": "mine"},
    {"source": "notes"}, {"document_id": ["0", "1", "2", "3", "4", "5", "6", "7"]}, {"document_id": "1"},
    {"tenant": "mine' OR '1'='1"}, {"tenant": "mine\x00"}, {"tenant": True}, {"tenant": 1}, {"tenant": "1"},
    Range(field="tenant", gte=0), Range(field="metadata.tenant", lt=1e300), Not(condition=Range(field="tenant", gt=0)),
    And(conditions=(Or(conditions=(CANARY, Not(condition=CANARY))),)), {"_generation": "0"}, {"..tenant": "mine"},
    {"__id": "1"}, {"uri": "file:///1"}, Not(condition=Eq(field="uri", value="nobody")),
]  # fmt: skip


def point(number: int, metadata: dict[str, Any]) -> Point:
    payload = {
        "document_id": str(number), "uri": f"file:///{number}", "source": "notes", "title": "", "start": 0, "end": 6,
        "text": "secret", "metadata": metadata,
    }  # fmt: skip
    vector = array("f", EMBEDDER.embed_query("secret"))
    return Point(str(uuid5(NAMESPACE_URL, str(number))), vector, SparseVector((1,), (1.0,)), payload)


@pytest.fixture(scope="module", params=["qdrant_edge", "memory", "stand-in"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorIndex]:
    manifest = IndexManifest(
        version="v1", fingerprint="f", model=EMBEDDER.card, payload_indexes=("metadata.tenant", "metadata.course")
    )
    with stand_in() as server:
        stores = {"qdrant_edge": QdrantEdge(), "memory": Memory(), "stand-in": Qdrant(url=server.url)}
        store = stores[request.param].open(tmp_path_factory.mktemp("store"), "notes")
        with store.write(manifest) as opened:
            opened.upsert([point(number, metadata) for number, metadata in enumerate(METADATA)])
            yield opened
        store.close()


def seen(
    index: VectorIndex,
    filter: Any,
    access: Access,
    **stages: Any,
) -> set[str]:
    settings = Retrieval(k=20, **stages)
    means = Means(facets=lambda: count_values(index, access))
    asked = (index, EMBEDDER, lambda _: SparseVector((1,), (1.0,)), settings, filter)
    found = retrieve("secret of theirs, tenant theirs, course ml", *asked, access=access, means=means)
    return {hit.document_id for hit in found.hits}


def test_there_are_forty_injections() -> None:
    assert len(INJECTIONS) >= 40


@pytest.mark.parametrize("number", range(len(INJECTIONS)))
def test_no_filter_widens_an_access(index: VectorIndex, number: int) -> None:
    for access in (MINE, Access(tenants=("mine",), sources=("notes",))):
        try:
            assert seen(index, INJECTIONS[number], access) <= {"0"}
        except UsageError:
            continue  # refused: nothing was shown
    for nobody in (Access(tenants=()), Access(sources=()), Access(tenants=("mine",), sources=("others",))):
        try:
            assert seen(index, INJECTIONS[number], nobody) == set()
        except UsageError:
            continue


def test_an_access_shows_its_own_and_everything_shows_all(index: VectorIndex) -> None:
    assert seen(index, None, MINE) == {"0"}
    assert seen(index, {"course": "ml"}, MINE) == {"0"}
    assert seen(index, {"course": "ml"}, ALL) == {"0", "1", "2"}
    assert len(seen(index, None, ALL)) == len(METADATA)


def test_what_a_question_names_never_widens_an_access(index: VectorIndex) -> None:
    assert seen(index, None, MINE, self_query=RuleSelfQuery(shortest=1), parents=Parents()) == {"0"}
    assert seen(index, {"tenant": "theirs"}, MINE, self_query=RuleSelfQuery(shortest=1)) == set()


def test_facets_show_only_what_may_be_seen(index: VectorIndex) -> None:
    assert count_values(index, MINE) == {"source": {"notes": 1}, "tenant": {"mine": 1}, "course": {"ml": 1}}
    assert count_values(index, Access(tenants=())) == {"source": {}, "tenant": {}, "course": {}}
    assert count_values(index, ALL)["course"] == {"ml": 3, "mine": 2}
