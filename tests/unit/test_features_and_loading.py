"""From documents in the warehouse to points in the store, with the real use-cases and in-memory adapters."""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from llm_engineering.application import features, loading
from llm_engineering.application.chunking import ByFormat
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.planning import plan
from llm_engineering.application.text import Tokenizing
from llm_engineering.application.verification import examine
from llm_engineering.domain.chunks import Chunk, Point, Vector
from llm_engineering.domain.documents import Document, document_id
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import IndexManifest, ModelCard, Plan
from llm_engineering.domain.ports import Embedder, VectorStore, Warehouse
from llm_engineering.domain.reports import LoadReport
from llm_engineering.infrastructure.embedders import Hashing
from llm_engineering.infrastructure.observability.progress import silent
from llm_engineering.infrastructure.vector_stores import Memory

SPEC = Hashing()


class Counting:
    """The hashing embedder, counting the texts that it embeds and able to lose one."""

    def __init__(self, home: Path, lose_one: bool = False) -> None:
        self._embedder = SPEC.open(home)
        self._lose_one = lose_one
        self.card: ModelCard = self._embedder.card
        self.embedded = 0
        self.opened = 0

    def open(self) -> Embedder:
        self.opened += 1
        return self

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        self.embedded += len(texts)
        for batch in self._embedder.embed(texts):
            yield batch[1:] if self._lose_one else batch

    def embed_query(self, text: str) -> Vector:
        return self._embedder.embed_query(text)


class Laboratory:
    """One warehouse, one store, one embedder, and the stages between them."""

    def __init__(self, warehouse: Warehouse, home: Path) -> None:
        self.warehouse = warehouse
        self.home = home
        self.store: VectorStore = Memory().open(home, "default")
        self.embedder = Counting(home)

    def put(self, **texts: str) -> None:
        run = self.warehouse.start_run("etl", {})
        documents = [Document(uri=uri, source="s", format="text", text=text) for uri, text in texts.items()]
        self.warehouse.put(documents, run)

    def bury(self, uri: str) -> None:
        self.warehouse.bury([document_id("s", uri)], self.warehouse.start_run("etl", {}))

    def plan(self, fingerprint: str = "f") -> tuple[Plan, list[str]]:
        manifest = IndexManifest(version="v0", fingerprint=fingerprint, model=self.embedder.card)
        run = self.warehouse.start_run("feature", {})
        return plan(self.warehouse, self.store, "default", manifest, None, run)

    def make(self, wanted: list[str]) -> loading.Features:
        documents = list(self.warehouse.documents(wanted))
        cleaned = list(features.clean_documents(documents, Cleaning(), silent))
        tokenizer = SPEC.open_tokenizer(self.home)
        chunks = list(features.chunk_documents(cleaned, ByFormat(), lambda: tokenizer, silent))
        tokens = list(features.tokenize_chunks(chunks, Tokenizing(), lambda: tokenizer, silent))
        vectors = list(
            features.embed_chunks(chunks, self.embedder.card.digest, self.embedder.open, self.warehouse, silent)
        )
        return loading.Features(cleaned, chunks, tokens, vectors)

    def run(self, fingerprint: str = "f") -> LoadReport:
        todo, wanted = self.plan(fingerprint)
        made = self.make(wanted)
        with self.store.write(todo.manifest) as index:
            loaded = loading.load(todo, made, index, self.warehouse, silent)
            verified = examine(self.warehouse, index, "default", deep=True).report()
        assert verified.problems == ()
        self.store.publish(todo.manifest.version)
        return loaded

    def texts(self) -> list[str]:
        with self.store.read() as index:
            points = index.get(list(index.ids()))
        return sorted(str(point.payload["text"]) for point in points.values())


@pytest.fixture
def lab(warehouse: Warehouse, tmp_path: Path) -> Laboratory:
    return Laboratory(warehouse, tmp_path)


def test_documents_become_points(lab: Laboratory) -> None:
    lab.put(a="One sentence.", b="Another one.")
    assert lab.run() == LoadReport(chunks=2, embedded=2, written=2)
    assert lab.texts() == ["Another one.", "One sentence."]


def test_a_second_run_finds_nothing_to_do_and_opens_no_embedder(lab: Laboratory) -> None:
    lab.put(a="One sentence.", b="Another one.")
    lab.run()
    todo, wanted = lab.plan()
    assert (todo.is_empty, todo.unchanged, wanted) == (True, 2, [])
    opened = lab.embedder.opened
    assert lab.run() == LoadReport()
    assert lab.embedder.opened == opened


def test_an_edited_document_replaces_its_points(lab: Laboratory) -> None:
    lab.put(a="Before.", b="Stays.")
    lab.run()
    lab.put(a="After.")
    assert lab.run() == LoadReport(chunks=1, embedded=1, written=1, removed=1)
    assert lab.texts() == ["After.", "Stays."]


def test_an_edited_paragraph_embeds_only_what_it_touches(lab: Laboratory) -> None:
    paragraphs = [f"Paragraph {n} " + "talks about something of its own. " * 30 for n in range(20)]
    lab.put(a="\n\n".join(paragraphs))
    assert lab.run().embedded >= 20
    paragraphs[10] = "Short and new."
    lab.put(a="\n\n".join(paragraphs))
    assert lab.run().embedded <= 3


def test_a_document_that_is_gone_loses_its_points(lab: Laboratory) -> None:
    lab.put(a="Goes.", b="Stays.")
    lab.run()
    lab.bury("a")
    assert lab.run() == LoadReport(removed=1)
    assert lab.texts() == ["Stays."]


def test_the_same_text_in_two_documents_is_two_points_with_one_vector(lab: Laboratory) -> None:
    lab.put(a="The same.", b="The same.")
    assert lab.run() == LoadReport(chunks=2, embedded=1, reused=1, written=2)
    assert lab.embedder.embedded == 1


def test_a_document_with_nothing_left_after_cleaning_is_indexed_as_empty_and_not_planned_again(lab: Laboratory) -> None:
    lab.put(a=" \n\t ", b="Something.")
    assert lab.run().chunks == 1
    assert lab.plan()[0].is_empty


def test_other_settings_build_a_version_beside_and_reuse_the_vectors(lab: Laboratory) -> None:
    lab.put(a="One.", b="Two.")
    lab.run("f")
    assert lab.run("g") == LoadReport(chunks=2, reused=2, written=2)
    active = lab.store.active()
    assert active is not None
    assert active.version == "v2"


def test_going_back_to_earlier_settings_finds_the_earlier_version(lab: Laboratory) -> None:
    lab.put(a="One.")
    lab.run("f")
    lab.run("g")
    todo, wanted = lab.plan("f")
    assert (todo.manifest.version, todo.activates, wanted) == ("v1", True, [])


def test_points_deleted_behind_our_back_are_loaded_again_without_embedding(lab: Laboratory) -> None:
    lab.put(a="One.", b="Two.")
    lab.run()
    todo, _ = lab.plan()
    with lab.store.write(todo.manifest) as index:
        index.delete([next(iter(index.ids()))])
    assert lab.run().embedded == 0
    assert lab.texts() == ["One.", "Two."]


def test_points_that_no_document_owns_are_deleted(lab: Laboratory) -> None:
    lab.put(a="One.", b="Two.")
    lab.run()
    todo, _ = lab.plan()
    # As after a kill between writing the points and committing the ledger.
    lab.warehouse.forget_indexed("default", todo.manifest.version, [document_id("s", "a")])
    todo, wanted = lab.plan()
    assert (todo.new, wanted) == (1, [document_id("s", "a")])
    with lab.store.write(todo.manifest) as index:
        assert index.count() == 1
    lab.run()
    assert lab.texts() == ["One.", "Two."]


def test_an_embedder_that_loses_a_text_fails_the_run(lab: Laboratory) -> None:
    lab.put(a="One.", b="Two.")
    lab.embedder = Counting(lab.home, lose_one=True)
    with pytest.raises(BackendError, match="vectors for"):
        lab.run()


def test_features_that_do_not_belong_together_are_refused(lab: Laboratory) -> None:
    lab.put(a="One.", b="Two.")
    todo, wanted = lab.plan()
    made = lab.make(wanted)
    made.vectors = list(reversed(made.vectors))  # type: ignore[call-overload]
    with lab.store.write(todo.manifest) as index, pytest.raises(BackendError, match="do not match"):
        loading.load(todo, made, index, lab.warehouse, silent)


def test_chunks_of_a_document_that_is_not_there_are_refused(lab: Laboratory) -> None:
    lab.put(a="One.", b="Two.")
    todo, wanted = lab.plan()
    made = lab.make(wanted)
    made.documents = made.documents[:1]  # type: ignore[index]
    with lab.store.write(todo.manifest) as index, pytest.raises(BackendError, match="which is not there"):
        loading.load(todo, made, index, lab.warehouse, silent)


def test_verify_names_missing_and_foreign_points(lab: Laboratory) -> None:
    lab.put(a="One.", b="Two.")
    lab.run()
    todo, _ = lab.plan()
    lab.warehouse.forget_indexed("default", todo.manifest.version, [document_id("s", "a")])
    with lab.store.write(todo.manifest) as index:
        foreign = examine(lab.warehouse, index, "default", deep=False).report()
        index.delete(list(index.ids()))
        missing = examine(lab.warehouse, index, "default", deep=False).report()
    assert [(problem.kind, problem.count) for problem in foreign.problems] == [("foreign_points", 1)]
    assert [(problem.kind, problem.count) for problem in missing.problems] == [("missing_points", 1)]
    assert "1 points are missing from the store" in str(missing.problems[0])
    assert not missing.ready


@pytest.mark.parametrize("component", [3e38, float("inf"), float("nan"), 0.0])
def test_a_vector_whose_bits_flipped_to_numbers_of_any_size_is_wrong(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch, component: float
) -> None:
    lab.put(a="One sentence.")
    lab.run()
    todo, _ = lab.plan()
    with lab.store.write(todo.manifest) as index:
        (point,) = index.scan()
        broken = Point(point.id, array("f", [component] * len(point.dense)), point.sparse, point.payload)
        monkeypatch.setattr(index, "scan", lambda: iter([broken]))
        found = examine(lab.warehouse, index, "default", deep=True).report()
    assert "wrong_vectors" in {problem.kind for problem in found.problems}


def test_every_chunk_is_the_cleaned_text_at_its_span(lab: Laboratory) -> None:
    lab.put(a="First sentence.   \n\n\n\nSecond one, with a URL https://example.org/a?b=c.\x00")
    _, wanted = lab.plan()
    made = lab.make(wanted)
    document = next(iter(made.documents))
    chunks: list[Chunk] = list(made.chunks)
    assert all(chunk.text == document.text[chunk.start : chunk.end] for chunk in chunks)
