"""Whatever rows go into a data set come out of it, and its fingerprint depends on the rows alone."""

from array import array
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.domain.batches import AnswerRow
from llm_engineering.domain.chunks import Chunk, ChunkTokens, ChunkVector, SparseVector
from llm_engineering.domain.datasets import AskedQuestion, HeldQuestion, RetrievalPair
from llm_engineering.domain.documents import CleanedDocument, Document
from llm_engineering.domain.evaluation import QuestionOutcome
from llm_engineering.domain.features import FeatureChunk, FeatureDocument
from llm_engineering.domain.graphs import Entity, Mention, Relation
from llm_engineering.domain.instructions import Draft, Instruction, Preference
from llm_engineering.domain.llm_evaluation import ContentScore, ModelAnswer
from llm_engineering.domain.raw_documents import RawDocument
from llm_engineering.infrastructure.parquet import read_dataset, write_dataset
from llm_engineering.infrastructure.parquet.layout import ROW_TYPES
from llm_engineering.infrastructure.warehouse.exact_text import original, storable

# Every code point, lone surrogates included, with the troublesome ones often enough to matter.
texts = st.text(st.one_of(st.characters(exclude_categories=()), st.sampled_from("\x00\x1a\ud800\udfff0041abé北🦀\n")))
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False)
scalars = st.one_of(texts, integers, st.integers(), floats, st.booleans())
metadata = st.dictionaries(texts, scalars, max_size=4)
formats = st.sampled_from(["markdown", "text", "code", "record"])
vectors = st.lists(st.floats(width=32, allow_nan=False), max_size=5).map(lambda values: array("f", values))
sparse = st.dictionaries(st.integers(0, 2**32 - 1), floats, max_size=5).map(
    lambda weights: SparseVector(tuple(sorted(weights)), tuple(weights.values()))
)
words = st.lists(texts, max_size=5).map(tuple)

ROWS: dict[type, st.SearchStrategy[Any]] = {
    Document: st.builds(Document, texts, texts, formats, texts, texts, texts, texts, metadata, metadata),
    CleanedDocument: st.builds(CleanedDocument, texts, texts, texts, formats, texts, texts, texts, metadata, metadata),
    Chunk: st.builds(Chunk, texts, texts, texts, texts, integers, integers, integers, texts, texts, integers, metadata),
    ChunkTokens: st.builds(ChunkTokens, texts, words, words, words, sparse),
    ChunkVector: st.builds(ChunkVector, texts, vectors, st.booleans()),
    FeatureDocument: st.builds(FeatureDocument, *[texts] * 5, formats, texts, texts, integers, texts, metadata),
    FeatureChunk: st.builds(
        FeatureChunk, *[texts] * 5, *[integers] * 3, texts, texts, integers, texts, texts, sparse, vectors, metadata
    ),
    AnswerRow: st.builds(
        AnswerRow,
        *[integers, *[texts] * 6, floats, words, texts, integers, integers, floats, floats, st.booleans()],
        *[texts] * 3,
    ),
    AskedQuestion: st.builds(AskedQuestion, texts, words, texts, metadata, *[texts] * 3),
    RetrievalPair: st.builds(RetrievalPair, *[texts] * 5, *[words] * 3, *[texts] * 5, words),
    Draft: st.builds(Draft, *[texts] * 9, integers, integers, texts),
    HeldQuestion: st.builds(HeldQuestion, texts, texts, words, metadata, texts),
    Instruction: st.builds(Instruction, *[texts] * 11),
    Preference: st.builds(Preference, *[texts] * 12, integers, integers, texts),
    RawDocument: st.builds(RawDocument, *[texts] * 5, formats, *[texts] * 3, metadata, metadata),
    ModelAnswer: st.builds(ModelAnswer, *[texts] * 9, floats, integers),
    Mention: st.builds(Mention, *[texts] * 3, words, words),
    Entity: st.builds(Entity, texts, texts, integers, integers),
    Relation: st.builds(Relation, *[texts] * 3, integers, floats),
    ContentScore: st.builds(ContentScore, *[texts] * 4, floats, texts),
    QuestionOutcome: st.builds(QuestionOutcome, texts, texts, *[words] * 3, floats),
}


def test_every_row_type_is_tested() -> None:
    assert set(ROWS) == set(ROW_TYPES.values())


@pytest.mark.parametrize("row_type", ROWS)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), batch_rows=st.integers(1, 4))
def test_rows_come_back_unchanged_and_the_fingerprint_ignores_the_layout(
    row_type: type, data: st.DataObject, batch_rows: int
) -> None:
    rows = data.draw(st.lists(ROWS[row_type], max_size=9))
    with TemporaryDirectory() as folder:
        small = write_dataset(rows, row_type, Path(folder, "small"), batch_rows=batch_rows)
        large = write_dataset(iter(rows), row_type, Path(folder, "large"))
        found = read_dataset(small.folder)
        assert found.row_type is row_type
        assert len(found) == len(rows)
        assert list(found) == list(found) == rows
        assert small.fingerprint() == large.fingerprint() == found.fingerprint()


@pytest.mark.parametrize("row_type", ROWS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_other_rows_have_another_fingerprint(row_type: type, data: st.DataObject) -> None:
    first, second = data.draw(st.lists(st.lists(ROWS[row_type], max_size=3), min_size=2, max_size=2))
    with TemporaryDirectory() as folder:
        one = write_dataset(first, row_type, Path(folder, "one")).fingerprint()
        other = write_dataset(second, row_type, Path(folder, "other")).fingerprint()
    # repr tells what == does not: 0.0 from -0.0, True from 1. Metadata is compared whatever the order of its keys.
    assert (one == other) == (_canonical(first) == _canonical(second))


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        return repr(sorted((key, repr(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return repr([_canonical(item) for item in value])
    if hasattr(value, "__dataclass_fields__"):
        return repr([_canonical(getattr(value, name)) for name in value.__dataclass_fields__])
    return repr(value)


@given(texts)
def test_any_text_becomes_storable_and_comes_back(text: str) -> None:
    stored = storable(text)
    stored.encode()
    assert "\x00" not in stored
    assert original(stored) == text
