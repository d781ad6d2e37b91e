"""The port to an engine that keeps rows with vectors: all that a further vector store has to implement.

Words used here:

- A *table* is what one index version is kept in (a table, collection, index or folder of the engine). Its name is made
  by us: lower-case letters, digits and underscores, beginning with a letter, at most 48 characters.
- A *row* is a point as seen between two generations; its `key` is unique in the table. Writing a key again replaces it.
- A *condition* is one of `domain.conditions`, on the flat fields of a row (`Row.fields`), or on the reserved fields
  `_id` (text), `_from` and `_until` (integers below 2**31), which every engine must decide exactly, as it must
  `document_id`. Of other fields it may be unable to express some exactly; then it uses a weaker condition, which more
  rows fulfil (`conditions.weakened` makes one), says so in `expresses`, and the layer above decides by `matching.py`.
- A *record* is a small JSON text under a key, for the layer's own books.

Every call may be repeated after an error: writing, ending, removing and setting records are idempotent. When a call
returns, later calls of this object see what it did; those of other processes at the latest after `flush`.

Errors: everything that the client library raises becomes `BackendError` (`transient=True` where a retry may help) or
`UsageError`, with the place, never with a password. `calls.Calls` does that for servers.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

from llm_engineering.domain.chunks import SparseVector, Vector
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.payloads import encoded, fields_of


@dataclass(frozen=True)
class Row:
    """A point in the form in which an engine keeps it.

    It is to be seen by generations `first` ≤ g < `until`. `dense` has length 1, so cosine and dot product agree; where
    a caller asked for no vectors, both are empty. Rows that somebody else put into the table have `first` 0 and their
    key as `id`.
    """

    key: str
    id: str
    first: int
    until: int
    dense: Vector
    sparse: SparseVector
    payload: Mapping[str, object]

    @cached_property
    def text(self) -> str:
        """The payload as ASCII JSON: what is kept, because engines change numbers and refuse some texts."""
        return encoded(self.payload)

    @cached_property
    def fields(self) -> Mapping[str, Scalar]:
        """What filters ask for, flat: `source`, `metadata.course` …; without the long texts."""
        return fields_of(self.payload)


class Engine(Protocol):
    """The calls. Those with a body here are optional."""

    capabilities: ClassVar[Capabilities]

    # The books

    def records(self, prefix: str) -> Mapping[str, str]:
        """Return all records whose keys begin with the prefix, in one request. Keys are letters, digits, . _ - /.

        Before anything was ever kept this is empty, and nothing is created by asking.
        """
        ...

    def put(self, key: str, value: str) -> None:
        """Set a record, atomically: whoever reads meanwhile gets the old one or the new one. Durable on return."""
        ...

    def forget(self, keys: Sequence[str]) -> None:
        """Remove records, in this order; unknown keys are ignored."""
        ...

    # Tables

    def create(self, table: str, dimension: int, fields: Sequence[str]) -> None:
        """Create a table if it does not exist, for vectors of this dimension; `fields` are those often filtered by."""
        ...

    def drop(self, table: str) -> None:
        """Remove a table with all that belongs to it; one that does not exist is ignored."""
        ...

    def indexed(self, table: str) -> Collection[str]:
        """Return the payload fields that the table has an index for, named as in filters, reserved ones left out."""
        ...

    # Rows

    def write(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows, replacing those with the same keys. At most `batch` of the spec at a time."""
        ...

    def end(self, table: str, condition: Condition, generation: int) -> None:
        """Set `until` of all rows that fulfil a condition on reserved fields."""
        ...

    def remove(self, table: str, condition: Condition) -> None:
        """Delete all rows that fulfil a condition on reserved fields or `document_id`."""
        ...

    def discard(self, table: str, keys: Sequence[str]) -> None:
        """Delete rows by key; unknown keys are ignored. For rows that somebody else put into the table."""
        ...

    def rows(self, table: str, condition: Condition, *, vectors: bool) -> Iterator[Row]:
        """Iterate over the rows that fulfil a condition, in any order, each once, in bounded memory.

        Rows that are written or removed meanwhile may come or not; none of the others is left out.
        """
        ...

    def count(self, table: str, condition: Condition) -> int:
        """Count the rows that fulfil a condition, exactly."""
        ...

    # Searching

    def nearest(self, table: str, vector: Vector, condition: Condition, limit: int) -> Sequence[ScoredPoint]:
        """Return the `limit` nearest rows that fulfil a condition, with their cosine, best first.

        The vector has length 1. Fewer come only if fewer rows fulfil the condition: an approximate index that returns
        less, as many do under a filter, has to be asked again or passed over.
        """
        ...

    def expresses(self, condition: Condition) -> bool:  # noqa: ARG002 - for those who can say it of all
        """Return whether the engine decides the condition exactly as `matching.py` does; else it lets more through."""
        return True

    def frequencies(self, table: str, terms: Collection[int], condition: Condition) -> tuple[int, Mapping[int, int]]:  # noqa: ARG002
        """Return how many rows that fulfil the condition have a sparse vector, and how many hold each term."""
        raise UsageError(NO_SPARSE)

    def best(self, table: str, weights: Mapping[int, float], condition: Condition, limit: int) -> Sequence[ScoredPoint]:  # noqa: ARG002
        """Return the `limit` rows that fulfil a condition with the highest dot product of their sparse vector and the
        weights, best first; those above 0 only."""
        raise UsageError(NO_SPARSE)

    # Duties

    def writing(self, collection: str, run: int) -> AbstractContextManager[None]:  # noqa: ARG002
        """Hold what keeps other processes from writing, where there is such a thing; nothing on a server.

        Raises:
            BackendError: another process writes (`versions.busy` says it).
        """
        return nullcontext()

    def flush(self, table: str) -> None:  # noqa: ARG002
        """Return only when all writes so far would survive the death of this process, and others see them."""
        return

    def optimize(self, table: str) -> None:  # noqa: ARG002
        """Build what makes searches fast; called before each publication."""
        return

    def erase(self, table: str) -> None:  # noqa: ARG002
        """See to it that no byte of removed rows stays in files of ours; a server overwrites its own when it can."""
        return

    def close(self) -> None:
        """Give connections and files back."""
        return


NO_SPARSE = (
    "this vector store keeps no sparse vectors that it could search; set retrieval: mode: dense, or choose a store "
    "that has them (docs/vector-stores.md)"
)
