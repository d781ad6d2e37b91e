from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from llm_engineering.application.chunking import ByFormat, ParentChild, Semantic
from llm_engineering.application.chunking.passage_vectors import KeptVectors
from llm_engineering.bootstrap import Workspace, bound_chunker, manifest_of
from llm_engineering.config import FeatureEngineeringConfig
from llm_engineering.domain.chunks import Chunk, Vector
from llm_engineering.domain.documents import CleanedDocument, Format
from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.embedders import Hashing

TOKENIZER = Hashing(max_tokens=128).open_tokenizer(Path())


class Topics:
    """Gives a text the vector of the topic whose word it has."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def of(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.asked += texts
        return [array("f", [1.0, 0.0] if "owl" in text else [0.0, 1.0]) for text in texts]


def chunks_of(chunker: Semantic, text: str, format: Format = "text", topics: Topics | None = None) -> list[Chunk]:
    given = topics or Topics()
    cleaned = CleanedDocument("id", "file:///a", "s", format, text, "Title", "hash", {})
    return list(chunker.bound(lambda _: given).chunk(cleaned, TOKENIZER))


OWLS = "The owl hunts at night. An owl hears a mouse under snow. Each owl has a tower. "
TAXES = "Taxes are due in May. Late payment costs interest. Forms are on the web site."


def test_a_text_is_parted_where_its_meaning_turns() -> None:
    chunks = chunks_of(Semantic(min_tokens=4), OWLS + TAXES)
    assert [chunk.text for chunk in chunks] == [OWLS.strip(), TAXES]
    assert {chunk.context for chunk in chunks} == {"Title"}


def test_what_is_about_one_thing_is_parted_for_its_size_only() -> None:
    (whole,) = chunks_of(Semantic(min_tokens=4), OWLS * 2)
    assert whole.text == (OWLS * 2).strip()
    sizes = [chunk.tokens for chunk in chunks_of(Semantic(min_tokens=8, target_tokens=24), OWLS * 9)]
    assert len(sizes) >= 9
    assert all(8 <= size <= 24 + 4 for size in sizes)


def test_short_turns_join_the_nearer_neighbour() -> None:
    chunks = chunks_of(Semantic(min_tokens=12), OWLS + "Taxes. " + OWLS)
    assert all(chunk.tokens >= 12 for chunk in chunks)


def test_a_distance_parts_by_its_own_measure() -> None:
    by_distance = Semantic.model_validate({"min_tokens": 4, "breakpoint": {"kind": "distance", "value": 0.5}})
    assert [chunk.text for chunk in chunks_of(by_distance, OWLS + TAXES)] == [OWLS.strip(), TAXES]
    never = Semantic.model_validate({"min_tokens": 4, "breakpoint": {"kind": "distance", "value": 1.5}})
    assert len(chunks_of(never, OWLS + TAXES)) == 1


def test_headings_begin_chunks_and_blocks_of_markdown_stay_whole() -> None:
    table = "| owl | size |\n|---|---|\n| barn | 35 |\n| eagle | 70 |"
    text = f"# Birds\n\n{OWLS}\n\n## Sizes\n\n{table}\n\n## Money\n\n{TAXES}"
    chunks = chunks_of(Semantic(min_tokens=4), text, "markdown")
    assert any(chunk.text.startswith("## Sizes") and chunk.text.endswith(table) for chunk in chunks)
    assert chunks[-1].context == "Title > Birds"
    assert chunks[-1].text == f"## Money\n\n{TAXES}"


def test_each_sentence_is_embedded_once() -> None:
    topics = Topics()
    chunks_of(Semantic(min_tokens=4, sentences=2), OWLS + TAXES, topics=topics)
    assert len(topics.asked) == 6
    assert topics.asked[0] == "The owl hunts at night. An owl hears a mouse under snow."


def test_what_was_embedded_is_kept_and_a_changed_document_costs_its_new_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path))
    spec, workspace = Hashing(), Workspace()
    counts: list[tuple[int, int]] = []
    for text in (OWLS + TAXES, OWLS + TAXES, OWLS.replace("tower", "barn") + TAXES):
        with workspace.warehouse() as warehouse:
            vectors = KeptVectors(
                spec.card(tmp_path).digest, spec.open_tokenizer(tmp_path), lambda: spec.open(tmp_path), warehouse
            )
            cleaned = CleanedDocument("id", "file:///a", "s", "text", text, "", "hash", {})
            list(Semantic().bound(lambda _, kept=vectors: kept).chunk(cleaned, TOKENIZER))  # type: ignore[misc]
            counts.append((vectors.embedded, vectors.reused))
    assert counts == [(6, 0), (0, 6), (1, 5)]


def test_the_beginning_stands_for_a_sentence_over_the_window() -> None:
    spec = Hashing(max_tokens=16)
    vectors = KeptVectors("d", spec.open_tokenizer(Path()), lambda: spec.open(Path()))
    assert len(vectors.of(["word " * 500, "x" * 9000, ""])) == 3


def test_an_embedder_of_its_own_is_checked_and_part_of_the_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path))

    def config(chunker: dict[str, object]) -> FeatureEngineeringConfig:
        return FeatureEngineeringConfig.model_validate({"chunking": chunker, "embedding": {"kind": "hashing"}})

    own = {"kind": "semantic", "embedder": {"kind": "hashing", "dimension": 32}}
    assert (
        manifest_of(config(own), tmp_path).fingerprint
        != manifest_of(config({"kind": "semantic"}), tmp_path).fingerprint
    )
    with pytest.raises(ValidationError, match=r"the embedder of the chunker `semantic`.*dimension"):
        config({"kind": "by_format", "text": {"kind": "semantic", "embedder": {"kind": "hashing", "dimension": "x"}}})
    made = config({"kind": "by_format", "text": own}).chunking
    assert isinstance(made, ByFormat)
    with bound_chunker(made, Hashing(), Workspace()) as chunker:
        cleaned = CleanedDocument("id", "file:///a", "s", "text", OWLS + TAXES, "", "hash", {})
        assert list(chunker.chunk(cleaned, TOKENIZER))


def test_without_vectors_it_says_so() -> None:
    cleaned = CleanedDocument("id", "file:///a", "s", "text", OWLS + TAXES, "", "hash", {})
    with pytest.raises(UsageError, match="nobody gave it any"):
        list(Semantic().chunk(cleaned, TOKENIZER))


def test_sizes_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="set min_tokens to at most 16"):
        Semantic(min_tokens=20, target_tokens=32)
    with pytest.raises(ValidationError, match="a parent is larger than its chunks"):
        ParentChild(parent_tokens=64, child_tokens=64)


def test_the_same_text_gives_the_same_chunks() -> None:
    def embedded() -> Iterator[list[Chunk]]:
        for _ in range(2):
            spec = Hashing()
            vectors = KeptVectors("d", spec.open_tokenizer(Path()), lambda: Hashing().open(Path()))
            cleaned = CleanedDocument("id", "file:///a", "s", "text", (OWLS + TAXES) * 9, "", "hash", {})
            yield list(Semantic().bound(lambda _, kept=vectors: kept).chunk(cleaned, TOKENIZER))  # type: ignore[misc]

    first, second = embedded()
    assert first == second
