"""The passages of an index version, as a data set is made from them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

from llm_engineering.application.datasets.likeness import words_of
from llm_engineering.domain.access import TENANT
from llm_engineering.domain.chunks import Point
from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk of the index: `text` is what its embedder saw of it, context and `body` together.

    `start` is where the body begins in the text of its document, -1 where that is not known.
    """

    id: str
    document_id: str
    source: str
    title: str
    context: str
    position: int
    body: str
    text: str
    metadata: Metadata
    start: int = -1

    @property
    def tenant(self) -> str:
        """Whose it is; empty: nobody's."""
        return str(self.metadata.get(TENANT, ""))


@dataclass(frozen=True)
class Corpus:
    """All passages that a data set may hold, by document and position, with their vectors (passages, components)."""

    passages: Sequence[Passage]
    vectors: "NDArray[np.float32]"

    @cached_property
    def places(self) -> dict[str, int]:
        """Passage id → its number."""
        return {passage.id: number for number, passage in enumerate(self.passages)}

    @cached_property
    def words(self) -> list[frozenset[str]]:
        """The distinct words of each passage."""
        return [words_of(passage.text) for passage in self.passages]

    @cached_property
    def documents(self) -> dict[str, list[Passage]]:
        """Document id → its passages, in their order."""
        found: dict[str, list[Passage]] = defaultdict(list)
        for passage in self.passages:
            found[passage.document_id].append(passage)
        return dict(found)


def corpus_of(points: Iterable[Point], tenants: Sequence[str] | None) -> Corpus:
    """Return the passages of points that belong to the tenants; to anybody, for None, as long as it is one.

    Raises:
        UsageError: there are no passages, or they are of several tenants and nobody said that this is meant.
    """
    import numpy as np

    taken = [(_passage(point), np.asarray(point.dense, dtype=np.float32)) for point in points]
    known = sorted({passage.tenant for passage, _ in taken})
    if tenants is None and len(known) > 1:
        raise UsageError(
            f"the index holds documents of {len(known)} tenants ({', '.join(map(repr, known))}, '' is nobody's), and "
            "who has the data set, or a model made from it, has something of them all. Name those that may be together "
            "in dataset.tenants"
        )
    taken = [item for item in taken if tenants is None or item[0].tenant in tenants]
    if not taken:
        of = (
            f" of the tenants {', '.join(map(repr, tenants))} (there are {', '.join(map(repr, known))})"
            if tenants
            else ""
        )
        raise UsageError(f"the index holds no passages{of}; run the feature pipeline first")
    taken.sort(key=lambda item: (item[0].document_id, item[0].position, item[0].id))
    matrix = np.stack([vector for _, vector in taken])
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return Corpus([passage for passage, _ in taken], matrix / np.maximum(norms, 1e-12))


def _passage(point: Point) -> Passage:
    payload = point.payload
    text, context = str(payload.get("text", "")), str(payload.get("context", ""))
    return Passage(
        id=point.id,
        document_id=str(payload.get("document_id", "")),
        source=str(payload.get("source", "")),
        title=str(payload.get("title", "")),
        context=context,
        position=cast("int", payload.get("position", 0)),
        body=text,
        text=f"{context}\n{text}" if context else text,
        metadata=cast("Metadata", payload.get("metadata") or {}),
        start=cast("int", payload.get("start", -1)),
    )
