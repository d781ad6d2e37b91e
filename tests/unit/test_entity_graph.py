"""The entity graph: what is found without a model, what belongs together, and what is one step away."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.application.graph import EntityGraph, GraphView, build
from llm_engineering.application.graph.entities import LONGEST_NAME, entities_in, headings_in, links_in
from llm_engineering.application.retrieval import Means, Retrieval, retrieve
from llm_engineering.application.retrieval.neighbours import Neighbours
from llm_engineering.domain.access import ALL, TENANT, Access
from llm_engineering.domain.chunks import Chunk, Point, SparseVector
from llm_engineering.domain.graphs import Mention
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.embedders import Hashing
from llm_engineering.infrastructure.vector_stores import Memory

FREE = EntityGraph(least_chunks=1, most_share=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ask Ada Lovelace, who met Charles Babbage in London.", ["Ada Lovelace", "Charles Babbage", "London"]),
        ("The Bank of England is here. Then Paris.", ["Bank of England", "Paris"]),
        ("Call `plan_index` or `run()` of VectorStore; see max_tokens, BM25.", None),
        ("Whales swim. Dolphins swim too.", []),
        ("```python\nclass HiddenName:\n    pass\n```\nAfter it, QdrantEdge is named.", ["QdrantEdge"]),
        ("In Ärzte ohne Grenzen arbeitet Émile Zola.", ["Ärzte", "Grenzen", "Émile Zola"]),
        ("", []),
        ("ALL CAPS. 12345 _ __ -- `` ` `", ["CAPS"]),
    ],
)
def test_names_are_found_by_how_they_are_written(text: str, expected: list[str] | None) -> None:
    wanted = ["plan_index", "run()", "VectorStore", "max_tokens", "BM25"] if expected is None else expected
    found = list(dict.fromkeys(entities_in(text)))
    assert [name for name in found if name != "ALL CAPS"] == wanted


@given(st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_text_has_names_of_bounded_length_and_the_same_ones_again(text: str) -> None:
    found = entities_in(text)
    assert found == entities_in(text)
    assert all(1 < len(name) <= LONGEST_NAME for name in found)
    assert all(1 < len(name) <= LONGEST_NAME for name in headings_in(text, text))
    links_in(f"[x]({text}) {text}", "file:///a.md")


def test_a_long_hostile_text_takes_no_time_to_speak_of() -> None:
    for piece in ("A" * 100_000, "Aa " * 40_000, "`" * 100_000, "a_" * 50_000, "](" * 50_000, "```\n" * 30_000):
        entities_in(piece)
        links_in(piece, "file:///a.md")


def test_headings_are_names_and_rows_of_tables_are_not() -> None:
    found = headings_in("Guide", "Guide > Set up > | key | meaning |\nA whole sentence that says something and ends.")
    assert found == ["Guide", "Set up"]


def mention(chunk: str, document: str, *entities: str, links: tuple[str, ...] = ()) -> Mention:
    return Mention(chunk, document, f"file:///{document}.md", entities, links)


def test_relations_count_chunks_and_weigh_them_against_what_each_has_in_all() -> None:
    graph = build(
        [
            mention("1", "a", "Qdrant", "HNSW"),
            mention("2", "b", "qdrant", "HNSW"),
            mention("3", "b", "Qdrant"),
            mention("4", "c", "Rare"),
        ],
        EntityGraph(most_share=1),
    )
    assert [(one.key, one.name, one.chunks, one.documents) for one in graph.entities] == [
        ("hnsw", "HNSW", 2, 2),
        ("qdrant", "Qdrant", 3, 2),
    ]
    [edge] = graph.relations
    assert (edge.kind, edge.first, edge.second, edge.count) == ("together", "hnsw", "qdrant", 2)
    assert edge.weight == pytest.approx(2 / 6**0.5, abs=1e-6)


def test_the_order_of_the_chunks_makes_no_difference() -> None:
    draw = random.Random(0)
    mentions = [
        mention(str(n), f"d{n % 9}", *draw.sample([f"Name {x}" for x in range(30)], 5), links=(f"file:///d{n % 7}.md",))
        for n in range(200)
    ]
    first = build(mentions, FREE)
    again = build(draw.sample(mentions, 200), FREE)
    assert first == again
    assert {one.kind for one in first.relations} == {"together", "link"}


def test_what_is_everywhere_or_stopped_or_rare_is_left_out() -> None:
    mentions = [mention(str(n), "a", "Everywhere", f"Rare {n}", "Some" if n % 10 == 0 else "x") for n in range(100)]
    assert [one.key for one in build(mentions, EntityGraph(most_share=0.2)).entities] == ["some"]
    read = EntityGraph(stop=("QDRANT",)).read("1", {"text": "We like Qdrant and HNSW.", "uri": "", "title": ""})
    assert read.entities == ("HNSW",)


def test_each_entity_keeps_its_strongest_relations() -> None:
    mentions = [mention(f"{n}/{m}", "a", "Hub", f"Spoke {n}") for n in range(10) for m in range(n + 1)]
    graph = build(mentions, EntityGraph(least_chunks=1, most_share=1, per_entity=2))
    kept = [one.second for one in graph.relations if one.first == "hub"]
    assert set(kept) >= {"spoke 9", "spoke 8"}


def test_links_join_documents_but_not_the_records_of_one_file() -> None:
    links = ("file:///b.md", "file:///none.md", "file:///table.md")
    table = [Mention(f"t{n}", f"record{n}", "file:///table.md", (), ()) for n in range(2)]
    graph = build([mention("1", "a", links=links), mention("2", "b"), *table], FREE)
    assert [(one.kind, one.first, one.second) for one in graph.relations] == [("link", "a", "b")]


def test_an_empty_corpus_has_an_empty_graph() -> None:
    graph = build([], FREE)
    assert (graph.entities, graph.relations) == ([], [])
    assert GraphView([], [], [], 0).near("anything", ["x"], 5, 5).chunks == {}


CORPUS = {
    "engine": ("a", "We run Qdrant in every deployment of ours."),
    "algorithm": ("b", "Inside, Qdrant builds on HNSW for speed."),
    "paper": ("c", "Since long ago HNSW was described by Malkov."),
    "secret": ("d", "Only here HNSW meets Confidential."),
    "cats": ("e", "Cats sleep all day long."),
}


def _world(home: Path) -> tuple[Memory, dict[str, Chunk], GraphView]:
    chunks = {
        name: Chunk(document, f"file:///{document}.md", "s", "", 0, 0, len(text), text, "", 5, {TENANT: document})
        for name, (document, text) in CORPUS.items()
    }
    read = [FREE.read(chunk.id, chunk.payload) for chunk in chunks.values()]
    graph = build(read, FREE)
    return Memory(), chunks, GraphView(read, graph.entities, graph.relations, len(chunks))


def test_one_step_leads_to_what_the_question_does_not_say(tmp_path: Path) -> None:
    _, chunks, view = _world(tmp_path)
    near = view.near("How does Qdrant work?", [chunks["engine"].id], 5, 10)
    assert {chunks["algorithm"].id, chunks["paper"].id, chunks["secret"].id} == set(near.chunks)
    assert near.documents == ("b", "c", "d")


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_neighbours_join_the_candidates_and_nobody_sees_more_than_he_may(tmp_path: Path, mode: str) -> None:
    store, chunks, view = _world(tmp_path)
    embedder = Hashing().open(tmp_path)
    manifest = IndexManifest(version="v1", fingerprint="f", model=embedder.card)
    opened = store.open(tmp_path, "graph")
    with opened.write(manifest) as index:
        sparse = SparseVector((1,), (1.0,))
        points = [Point(chunk.id, embedder.embed_query(chunk.text), sparse, chunk.payload) for chunk in chunks.values()]
        index.upsert(points)
        index.flush()
        section = Retrieval.model_validate(
            {"mode": mode, "pool": 1, "k": 3, "answerability": None, "neighbours": {"weight": 5}}
        )
        means = Means(graph=lambda: view)

        def found(access: Access, settings: Retrieval = section, given: Means = means) -> set[str]:
            result = retrieve(
                "Do we run Qdrant?", index, embedder, lambda _: sparse, settings, access=access, means=given
            )
            stages[:] = [stage for stage in result.stages if stage.stage == "neighbours"]
            return {hit.document_id for hit in result.hits}

        stages: list[object] = []
        with_graph = found(ALL)
        assert len(stages) == 1
        assert stages[0].detail["passages"] >= 1  # type: ignore[attr-defined]
        assert with_graph & {"b", "c", "d"}
        assert found(Access(tenants=("a", "c"))) <= {"a", "c"}
        without = found(ALL, given=Means())
        assert "no entity graph" in str(stages[0].detail["left_out"])  # type: ignore[attr-defined]
        assert without == found(ALL, section.model_copy(update={"neighbours": None}))


def test_neighbours_are_off_by_default() -> None:
    assert Retrieval().neighbours is None
    assert Neighbours().weight < 1
