"""Which rows a data set may hold, and the Arrow schema of each kind."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from llm_engineering.domain.batches import AnswerRow
from llm_engineering.domain.chunks import Chunk, ChunkTokens, ChunkVector
from llm_engineering.domain.datasets import AskedQuestion, HeldQuestion, RetrievalPair
from llm_engineering.domain.documents import CleanedDocument, Document
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.evaluation import QuestionOutcome
from llm_engineering.domain.features import FeatureChunk, FeatureDocument
from llm_engineering.domain.graphs import Entity, Mention, Relation
from llm_engineering.domain.instructions import Draft, Instruction, Preference
from llm_engineering.domain.llm_evaluation import ContentScore, ModelAnswer
from llm_engineering.domain.raw_documents import RawDocument
from llm_engineering.infrastructure.parquet.columns import COLUMNS, Column, fixed_vectors

# The only types that a file can ask for, by the name that is stored in it. A name is never used for another type.
ROW_TYPES: Mapping[str, type] = {
    "document": Document,
    "cleaned_document": CleanedDocument,
    "chunk": Chunk,
    "chunk_tokens": ChunkTokens,
    "chunk_vector": ChunkVector,
    "raw_document": RawDocument,
    "feature_document": FeatureDocument,
    "feature_chunk": FeatureChunk,
    "answer": AnswerRow,
    "asked_question": AskedQuestion,
    "retrieval_pair": RetrievalPair,
    "held_question": HeldQuestion,
    "question_outcome": QuestionOutcome,
    "draft": Draft,
    "instruction": Instruction,
    "preference": Preference,
    "model_answer": ModelAnswer,
    "content_score": ContentScore,
    "mention": Mention,
    "entity": Entity,
    "relation": Relation,
}
# How values are encoded. Raise it when `columns` writes the same Arrow type with another meaning.
ENCODING = b"1"

_ROWS_KEY = b"llm_engineering.rows"
_ENCODING_KEY = b"llm_engineering.encoding"


@dataclass(frozen=True)
class Layout:
    """The columns of a row type, in the order of its fields."""

    name: str
    row_type: type
    columns: Mapping[str, Column]

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema; nothing is ever null. Its metadata names the rows and the encoding."""
        columns = [pa.field(name, column.type, nullable=False) for name, column in self.columns.items()]
        return pa.schema(columns, metadata={_ROWS_KEY: self.name.encode(), _ENCODING_KEY: ENCODING})

    @cached_property
    def _sizes(self) -> list[tuple[str, Callable[[Any], int]]]:
        return [(name, column.size) for name, column in self.columns.items() if column.size is not None]

    def size(self, row: object) -> int:
        """Return roughly how many bytes a row takes."""
        try:
            return sum(size(getattr(row, name)) for name, size in self._sizes) + 8 * len(self.columns)
        except (TypeError, AttributeError):
            self.encode([row])  # fails with the name of the field
            raise

    def encode(self, rows: Sequence[object]) -> pa.RecordBatch:
        """Return the rows as Arrow columns.

        Raises:
            ValueError: a field holds what its type does not allow.
        """
        arrays = [self._encode_field(name, list(map(attrgetter(name), rows))) for name in self.columns]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def decode(self, table: pa.Table) -> Iterator[Any]:
        """Return the rows of Arrow columns."""
        columns = (self.columns[name].decode(one_array(table[name])) for name in self.columns)
        return map(self.row_type, *columns)

    def _encode_field(self, name: str, values: list[Any]) -> pa.Array:
        try:
            return self.columns[name].encode(values)
        except (TypeError, ValueError, OverflowError, AttributeError, pa.ArrowException) as error:
            missing = sum(value is None for value in values)
            told = f"is None in {missing} rows" if missing else f"holds a value that it must not: {error}"
            raise ValueError(f"{self.row_type.__name__}.{name} {told}") from error


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a table's column as one array, without a copy where it is one already."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.nulls(0, column.type)])


_LAYOUTS = {
    row_type: Layout(name, row_type, {field.name: COLUMNS[field.type] for field in fields(row_type)})
    for name, row_type in ROW_TYPES.items()
}


def layout_of(row_type: type) -> Layout:
    """Return the layout of a row type.

    Raises:
        TypeError: rows of this type are not made for data sets.
    """
    if row_type in _LAYOUTS:
        return _LAYOUTS[row_type]
    valid = ", ".join(known.__name__ for known in ROW_TYPES.values())
    raise TypeError(f"rows of type {row_type.__name__} cannot be stored in a data set; valid are {valid}")


def layout_with_vectors_of(dimension: int) -> Layout:
    """Return the layout of `FeatureChunk` with vectors of one dimension, which other programs read as tensors."""
    layout = layout_of(FeatureChunk)
    return replace(layout, columns={**layout.columns, "vector": fixed_vectors(dimension)})


def layout_in(schema: pa.Schema, path: Path) -> Layout:
    """Return the layout that a file was written with.

    Raises:
        BackendError: it is no data set of ours, or another version of the project wrote it.
    """
    facts = schema.metadata or {}
    if _ROWS_KEY not in facts:
        raise BackendError(f"{path} is a Parquet file, but no data set of this project")
    name, encoding = facts[_ROWS_KEY].decode(errors="replace"), facts.get(_ENCODING_KEY, b"")
    if name not in ROW_TYPES or encoding != ENCODING:
        raise _other_version(path, f"rows {name!r} in encoding {encoding.decode(errors='replace')!r}")
    layout = layout_of(ROW_TYPES[name])
    if not schema.equals(layout.schema, check_metadata=False):
        raise _other_version(path, f"rows {name!r} with the columns {', '.join(schema.names)}")
    return layout


def _other_version(path: Path, found: str) -> BackendError:
    return BackendError(
        f"{path} holds {found}, which this version does not read: another version of llm-engineering wrote it. "
        "Run the pipeline again without its cache, or use that version"
    )
