"""Where documents come from."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol

from llm_engineering.domain.documents import Item, Metadata


class Source(Protocol):
    """A place that documents come from, opened.

    `read` yields one item per document, page or record that the source shows now, never two with the same identity.
    What concerns a single item is a `Rejection` or a `Failure` among the items. A source that shows only its latest
    items, as a feed does, or that met items whose identity it could not tell, as a ragged row, has an attribute
    `keeps_unshown` that is true when it was read: what it did not show is then not deleted.

    Raises:
        SourceError: the source as a whole cannot be read; what it showed so far must not be taken as complete.
    """

    name: str
    kind: str

    def read(self) -> Iterator[Item]: ...


# What a source needs to ask only for what changed: the provenance that was stored with a document (its ETag, say), or
# None when the document is not in the warehouse.
KnownProvenance = Callable[[str], Metadata | None]
# The same for many documents at once; those that are not in the warehouse are left out.
KnownProvenances = Callable[[Collection[str]], Mapping[str, Metadata]]
