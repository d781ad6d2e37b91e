"""The engine of `Lancedb`: a table of LanceDB for each version, one for the records."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import cached_property
from heapq import nsmallest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.infrastructure.environment import filled
from llm_engineering.infrastructure.vector_stores.folder_lock import writing_alone
from llm_engineering.infrastructure.vector_stores.lancedb.conditions import DIALECT, quoted
from llm_engineering.infrastructure.vector_stores.lancedb.failures import failure_of
from llm_engineering.infrastructure.vector_stores.lancedb.tables import (
    FIELDS,
    PLAIN,
    RECORDS,
    WHOLE,
    holders,
    rows_of,
    schema,
    scores,
    table_of,
)
from llm_engineering.infrastructure.vector_stores.versioned.calls import Calls, T
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine, Row
from llm_engineering.infrastructure.vector_stores.versioned.payloads import decoded

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.lancedb.spec import Lancedb

BOOKS = "le_records"
PAGE = 1_000
INDEXES = (("id", "BTREE"), ("document", "BTREE"), ("pairs", "LABEL_LIST"))
# Others may be reading what was just replaced.
KEPT_AT_LEAST = timedelta(minutes=10)
# All but the last; LanceDB warns of a zero, and here it is meant.
ALL = timedelta(milliseconds=1)


class LancedbEngine(Engine):
    """The tables of one folder or address."""

    def __init__(self, spec: "Lancedb", folder: Path | None, address: str, place: str) -> None:
        self._spec = spec
        self._folder = folder
        self._address = address
        # LanceDB raises what is at hand: RuntimeError, ValueError, OSError and Arrow's, which are among these.
        errors = (RuntimeError, ValueError, OSError)
        self._call = Calls(place, spec.patience_seconds, errors, lambda error: failure_of(error, spec))

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return self._spec.capabilities

    def records(self, prefix: str) -> Mapping[str, str]:
        if self._folder is not None and not (self._folder / f"{BOOKS}.lance").is_dir():
            return {}
        found = self._run(lambda: self._read(BOOKS, f"starts_with(key, {quoted([prefix])})", ["key", "value"]))
        return {key: value for batch in found for key, value in zip(*batch.to_pydict().values(), strict=True)}

    def put(self, key: str, value: str) -> None:
        record = pa.table({"key": [key], "value": [value]}, schema=RECORDS)

        def set_record() -> None:
            books = self._database.create_table(BOOKS, schema=RECORDS, exist_ok=True)
            books.merge_insert("key").when_matched_update_all().when_not_matched_insert_all().execute(record)

        self._run(set_record)

    def forget(self, keys: Sequence[str]) -> None:
        def delete() -> None:
            if BOOKS in self._names():
                self._database.open_table(BOOKS).delete(f"key IN ({quoted(keys)})")

        self._run(delete)

    def create(self, table: str, dimension: int, fields: Sequence[str]) -> None:
        def make() -> Any:
            if table in self._names():  # with another schema, LanceDB would only say that it differs
                return self._database.open_table(table)
            return self._database.create_table(table, schema=schema(dimension, fields), exist_ok=True)

        made = self._run(make)
        found = made.schema.field("dense").type.list_size
        if found != dimension:
            raise UsageError(
                f"the table {table} of LanceDB holds vectors of {found} components, and the model makes {dimension}; "
                "choose another name under load: collection"
            )

    def drop(self, table: str) -> None:
        def remove() -> None:
            if table in self._names():
                self._database.drop_table(table)

        self._run(remove)

    def indexed(self, table: str) -> Collection[str]:
        # All pairs of field and value have one index.
        held = self._run(lambda: self._database.open_table(table).schema)
        return tuple((held.metadata or {}).get(FIELDS, b"").decode().splitlines())

    def write(self, table: str, rows: Sequence[Row]) -> None:
        def merge() -> None:
            into = self._database.open_table(table)
            new = table_of(rows, into.schema)
            into.merge_insert("key").when_matched_update_all().when_not_matched_insert_all().execute(new)

        self._run(merge)

    def end(self, table: str, condition: Condition, generation: int) -> None:
        self._run(lambda: self._database.open_table(table).update(DIALECT.text(condition), {"until": generation}))

    def remove(self, table: str, condition: Condition) -> None:
        self._run(lambda: self._database.open_table(table).delete(DIALECT.text(condition)))

    def discard(self, table: str, keys: Sequence[str]) -> None:
        self._run(lambda: self._database.open_table(table).delete(f"key IN ({quoted(keys)})"))

    def rows(self, table: str, condition: Condition, *, vectors: bool) -> Iterator[Row]:
        batches = self._run(lambda: self._scan(table, DIALECT.text(condition), WHOLE if vectors else PLAIN))
        while (batch := self._run(lambda: next(batches, None))) is not None:
            yield from rows_of(batch, vectors=vectors)

    def count(self, table: str, condition: Condition) -> int:
        return int(self._run(lambda: self._database.open_table(table).count_rows(DIALECT.text(condition))))

    def nearest(self, table: str, vector: Vector, condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        def search() -> pa.Table:
            query = self._database.open_table(table).search(np.array(vector, np.float32), vector_column_name="dense")
            query = query.distance_type("dot").where(DIALECT.text(condition), prefilter=True).bypass_vector_index()
            return query.select(["id", "payload", "_distance"]).limit(limit).to_arrow()

        found = self._run(search).to_pylist()
        hits = [ScoredPoint(hit["id"], 1.0 - hit["_distance"], decoded(hit["payload"])) for hit in found]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))

    def expresses(self, condition: Condition) -> bool:
        return DIALECT.expresses(condition)

    def frequencies(self, table: str, terms: Collection[int], condition: Condition) -> tuple[int, Mapping[int, int]]:
        text, listed = DIALECT.text(condition), ", ".join(map(str, terms))
        total = self._run(lambda: self._database.open_table(table).count_rows(f"({text}) AND array_length(terms) > 0"))
        counts: Counter[int] = Counter()
        holding = f"({text}) AND array_has_any(terms, make_array({listed}))"
        for batch in self._run(lambda: self._read(table, holding, ["terms"])):
            counts.update(holders(batch, terms))
        return int(total), counts

    def best(self, table: str, weights: Mapping[int, float], condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        text, listed = DIALECT.text(condition), ", ".join(map(str, weights))
        holding = f"({text}) AND array_has_any(terms, make_array({listed}))"
        scored: list[tuple[float, str, str]] = []
        for batch in self._run(lambda: self._read(table, holding, ["key", "id", "terms", "values"])):
            found = zip(
                (-scores(batch, weights)).tolist(), *batch.select(["id", "key"]).to_pydict().values(), strict=True
            )
            scored = nsmallest(limit, (*scored, *(hit for hit in found if hit[0] < 0)))
        return self._with_payloads(table, scored)

    def writing(self, collection: str, run: int) -> AbstractContextManager[None]:
        return writing_alone(self._folder, collection, run) if self._folder is not None else nullcontext()

    def optimize(self, table: str) -> None:
        older = max(timedelta(seconds=self._spec.reader_seconds), KEPT_AT_LEAST)

        def tidy() -> None:
            opened = self._database.open_table(table)
            if opened.count_rows() >= self._spec.index_from:
                there = {column for index in opened.list_indices() for column in index.columns}
                for column, kind in INDEXES:
                    if column not in there:
                        opened.create_scalar_index(column, index_type=kind)
            opened.optimize(cleanup_older_than=older)
            if BOOKS in self._names():
                self._database.open_table(BOOKS).optimize(cleanup_older_than=older)

        self._run(tidy)

    def erase(self, table: str) -> None:
        def rewrite() -> None:
            # A compaction would leave files of which few rows were removed as they are.
            opened = self._database.open_table(table)
            held = opened.schema
            rows = opened.search().to_batches(PAGE)
            made = self._database.create_table(table, rows, schema=held, mode="overwrite")
            made.optimize(cleanup_older_than=ALL, delete_unverified=True)

        self._run(rewrite)

    def close(self) -> None:
        self.__dict__.pop("_database", None)

    @cached_property
    def _database(self) -> Any:
        import lancedb

        always = timedelta(0)  # others write, too
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            return lancedb.connect(self._folder, read_consistency_interval=always)
        seconds = f"{self._spec.timeout_seconds}s"
        limits = {"timeout": seconds, "connect_timeout": "2s", "client_max_retries": "1", "client_retry_timeout": "2"}
        given = {name: filled(value) for name, value in self._spec.storage.items()}
        return lancedb.connect(self._address, read_consistency_interval=always, storage_options={**limits, **given})

    def _names(self) -> Collection[str]:
        names: list[str] = []
        token = None
        while True:
            page = self._database.list_tables(page_token=token, limit=PAGE)
            names += page.tables
            token = page.page_token
            if not token:
                return names

    def _with_payloads(self, table: str, scored: Sequence[tuple[float, str, str]]) -> Sequence[ScoredPoint]:
        keys = quoted(key for _, _, key in scored)
        batches = self._run(lambda: self._read(table, f"key IN ({keys})", ["key", "payload"])) if scored else []
        payloads = {key: text for batch in batches for key, text in zip(*batch.to_pydict().values(), strict=True)}
        return [ScoredPoint(known, -low, decoded(payloads[key])) for low, known, key in scored if key in payloads]

    def _scan(self, table: str, condition: str, columns: list[str]) -> Any:
        query = self._database.open_table(table).search().where(condition).select(columns)
        return iter(query.to_batches(PAGE))

    def _read(self, table: str, condition: str, columns: list[str]) -> list[Any]:
        return list(self._scan(table, condition, columns))

    def _run(self, work: Callable[[], T]) -> T:
        return self._call(work)
