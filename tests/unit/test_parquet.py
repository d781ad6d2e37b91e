"""Data sets: reading and writing in bounded memory, and what happens when something is wrong."""

import tracemalloc
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm_engineering.domain.chunks import Chunk, ChunkTokens, ChunkVector, SparseVector
from llm_engineering.domain.documents import Document
from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.parquet import read_dataset, spool, write_dataset
from llm_engineering.infrastructure.parquet.columns import COLUMNS
from llm_engineering.infrastructure.parquet.dataset import ROWS_FILE


def chunk(position: int = 0, **changes: Any) -> Chunk:
    fields = {
        "document_id": "d", "uri": "file:///a", "source": "docs", "title": "T", "position": position, "start": 0,
        "end": 9, "text": f"Text {position}.", "context": "T", "tokens": 4, "metadata": {"line": position},
    }  # fmt: skip
    return Chunk(**{**fields, **changes})


def document(**changes: Any) -> Document:
    return Document(**{"uri": "file:///a", "source": "docs", "format": "text", "text": "x", **changes})


def row_groups(folder: Path) -> list[int]:
    found = pq.ParquetFile(folder / ROWS_FILE).metadata
    return [found.row_group(number).num_rows for number in range(found.num_row_groups)]


def test_a_data_set_can_be_iterated_again_and_by_two_at_once(tmp_path: Path) -> None:
    dataset = write_dataset(map(chunk, range(10)), Chunk, tmp_path, batch_rows=3)
    assert [(a.position, b.position) for a, b in zip(dataset, dataset, strict=True)] == [(n, n) for n in range(10)]


def test_an_empty_data_set_has_a_type_and_no_rows(tmp_path: Path) -> None:
    write_dataset([], ChunkTokens, tmp_path)
    found = read_dataset(tmp_path)
    assert (found.row_type, len(found), list(found), found.head(3)) == (ChunkTokens, 0, [], [])


def test_head_returns_the_first_rows(tmp_path: Path) -> None:
    dataset = write_dataset(map(chunk, range(5)), Chunk, tmp_path, batch_rows=2)
    assert [row.position for row in dataset.head(3)] == [0, 1, 2]
    assert len(dataset.head(99)) == 5


def test_batches_end_by_number_of_rows(tmp_path: Path) -> None:
    write_dataset(map(chunk, range(10)), Chunk, tmp_path, batch_rows=4)
    assert row_groups(tmp_path) == [4, 4, 2]


@pytest.mark.parametrize(
    ("row", "row_type"),
    [
        (document(text="x" * 1_000), Document),
        (document(metadata={"m": "x" * 1_000}), Document),
        (ChunkVector("c", array("f", [0.5] * 300)), ChunkVector),
        (ChunkTokens("c", ("word",) * 300, (), ("w", "##ord"), SparseVector((), ())), ChunkTokens),
        (ChunkTokens("c", (), (), ("w", "##ord"), SparseVector(tuple(range(100)), (0.5,) * 100)), ChunkTokens),
    ],
)
def test_batches_end_by_their_size_in_bytes(row: Any, row_type: type, tmp_path: Path) -> None:
    write_dataset([row] * 10, row_type, tmp_path, batch_bytes=2_000)
    assert row_groups(tmp_path) == [2] * 5


def test_memory_stays_flat_as_rows_grow(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        folder = tmp_path / str(rows)
        arrow_before = pa.total_allocated_bytes()
        arrow = 0
        tracemalloc.start()
        dataset = write_dataset((chunk(n, metadata={}) for n in range(rows)), Chunk, folder, batch_rows=500)
        for number, _ in enumerate(dataset):
            if number % 500 == 0:
                arrow = max(arrow, pa.total_allocated_bytes() - arrow_before)
        dataset.fingerprint()
        _, python = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return python + arrow

    small = peak(2_000)
    assert peak(20_000) < 1.5 * small


def test_vectors_keep_every_bit(tmp_path: Path) -> None:
    odd = array("f")
    odd.frombytes(bytes.fromhex("010000000000c07f0100c07f000080ff000000800000807f"))  # a denormal, NaNs, -inf, -0, inf
    dataset = write_dataset([ChunkVector("a", odd), ChunkVector("b", array("f"))], ChunkVector, tmp_path)
    assert [row.vector.tobytes() for row in dataset] == [odd.tobytes(), b""]


def test_a_file_is_replaced_only_when_all_rows_are_written(tmp_path: Path) -> None:
    def failing() -> Iterator[Chunk]:
        yield chunk(1)
        raise RuntimeError("the source stopped")

    write_dataset([chunk(7)], Chunk, tmp_path)
    with pytest.raises(RuntimeError, match="the source stopped"):
        write_dataset(failing(), Chunk, tmp_path, batch_rows=1)
    assert [row.position for row in read_dataset(tmp_path)] == [7]
    assert [file.name for file in tmp_path.iterdir()] == [ROWS_FILE]


def test_a_data_set_can_be_rewritten_from_its_own_rows(tmp_path: Path) -> None:
    dataset = write_dataset(map(chunk, range(5)), Chunk, tmp_path, batch_rows=2)
    again = write_dataset((row for row in dataset if row.position % 2), Chunk, tmp_path)
    assert [row.position for row in again] == [1, 3]


def test_spools_have_a_folder_each_and_a_failed_one_leaves_none(tmp_path: Path) -> None:
    first, second = (spool([chunk(n)], Chunk, tmp_path / "spool") for n in range(2))
    assert first.folder != second.folder
    assert [row.position for dataset in (first, second) for row in dataset] == [0, 1]
    with pytest.raises(TypeError):
        spool([document()], Chunk, tmp_path / "spool")
    assert {*(tmp_path / "spool").iterdir()} == {first.folder, second.folder}


def test_the_fingerprint_does_not_depend_on_the_order_of_metadata(tmp_path: Path) -> None:
    one = write_dataset([chunk(metadata={"a": 1, "b": 2})], Chunk, tmp_path / "1")
    other = write_dataset([chunk(metadata={"b": 2, "a": 1})], Chunk, tmp_path / "2")
    assert one.fingerprint() == other.fingerprint()


def test_empty_data_sets_of_two_row_types_have_two_fingerprints(tmp_path: Path) -> None:
    fingerprints = {
        write_dataset([], row_type, tmp_path / row_type.__name__).fingerprint() for row_type in (Chunk, Document)
    }
    assert len(fingerprints) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": None}, r"Chunk\.title"),
        ({"title": b"T"}, r"Chunk\.title"),
        ({"text": ["T"]}, r"Chunk\.text"),
        ({"tokens": "4"}, r"Chunk\.tokens"),
        ({"tokens": None}, r"Chunk\.tokens is None in 1 rows"),
        ({"tokens": 2**63}, r"Chunk\.tokens"),
        ({"metadata": {"a": object()}}, r"Chunk\.metadata"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_its_field(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_dataset([chunk(**changes)], Chunk, tmp_path)


@pytest.mark.parametrize(
    "row",
    [
        ChunkTokens("c", ("a", None), (), ("w", "##ord"), SparseVector((), ())),  # type: ignore[arg-type]
        ChunkTokens("c", (), (), ("w", "##ord"), SparseVector((-1,), (1.0,))),
        ChunkTokens("c", (), (), ("w", "##ord"), SparseVector((2**32,), (1.0,))),
        ChunkVector("c", array("d", [1.0])),
        ChunkVector("c", [1.0]),  # type: ignore[arg-type]
    ],
)
def test_a_list_with_wrong_elements_is_refused(row: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must not"):
        write_dataset([row], type(row), tmp_path)


def test_a_row_of_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="a Document among rows of type Chunk"):
        write_dataset([chunk(), document()], Chunk, tmp_path)


def test_a_row_type_that_is_not_in_the_table_is_refused_with_the_valid_ones(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"int cannot be stored .* valid are Document"):
        write_dataset([1], int, tmp_path)


def test_a_missing_data_set_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=str(tmp_path)):
        read_dataset(tmp_path)


def test_a_data_set_that_goes_while_it_is_used_is_an_error(tmp_path: Path) -> None:
    dataset = write_dataset([chunk()], Chunk, tmp_path)
    (tmp_path / ROWS_FILE).unlink()
    for use in (lambda: list(dataset), dataset.fingerprint, lambda: dataset.nbytes):
        with pytest.raises(BackendError, match="is missing"):
            use()


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BackendError, match="cannot be read or written"):
        write_dataset([chunk()], Chunk, tmp_path / "file")


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"no parquet at all" * 99])
def test_a_damaged_file_is_an_error(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / ROWS_FILE).write_bytes(damage)
    with pytest.raises(BackendError, match="cannot be read"):
        read_dataset(tmp_path)


def test_a_flipped_bit_in_the_data_is_an_error_not_another_row(tmp_path: Path) -> None:
    dataset = write_dataset([document(text="x" * 10_000 + str(n)) for n in range(50)], Document, tmp_path)
    content = bytearray((tmp_path / ROWS_FILE).read_bytes())
    start = pq.ParquetFile(tmp_path / ROWS_FILE).metadata.row_group(0).column(3).dictionary_page_offset
    content[start + 60] ^= 1
    (tmp_path / ROWS_FILE).write_bytes(content)
    with pytest.raises(BackendError, match="cannot be read"):
        list(dataset)


def test_a_foreign_parquet_file_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / ROWS_FILE)
    with pytest.raises(BackendError, match="no data set of this project"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    "facts",
    [
        {"llm_engineering.rows": "os.system", "llm_engineering.encoding": "1"},
        {"llm_engineering.rows": "chunk", "llm_engineering.encoding": "999"},
        {"llm_engineering.rows": "chunk", "llm_engineering.encoding": "1"},
        {"llm_engineering.rows": "chunk"},
    ],
)
def test_a_file_of_another_version_is_refused_with_what_to_do(facts: dict[str, str], tmp_path: Path) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata(facts)
    pq.write_table(table, tmp_path / ROWS_FILE)
    with pytest.raises(BackendError, match=r"another version .* without its cache"):
        read_dataset(tmp_path)


def test_other_tools_read_the_rows_as_plain_columns(tmp_path: Path) -> None:
    write_dataset([ChunkVector("c", array("f", [0.5, 1.0]))], ChunkVector, tmp_path)
    assert pq.read_table(tmp_path / ROWS_FILE).to_pylist() == [{"chunk_id": "c", "vector": [0.5, 1.0], "reused": False}]


def test_the_table_of_columns_holds_what_the_fields_are_declared_as() -> None:
    from dataclasses import fields

    declared = {field.type for row_type in (Chunk, ChunkTokens, ChunkVector, Document) for field in fields(row_type)}
    assert declared <= set(COLUMNS)
