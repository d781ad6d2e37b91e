"""Data sets that were made from what is to be forgotten, and what language models wrote about it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from llm_engineering.domain.datasets import DatasetCard, DatasetRow, RetrievalPair, documents_of
from llm_engineering.domain.erasure import Found
from llm_engineering.domain.instructions import Preference
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.traces import Traces
from llm_engineering.domain.value import identity
from llm_engineering.infrastructure.datasets.files import DatasetFiles
from llm_engineering.infrastructure.datasets.replies import forget_replies, read_replies, replies_of

DATASETS, REPLIES = "data sets", "what models wrote"


@dataclass(frozen=True)
class Datasets:
    """Versions of data sets. One with rows of the documents is replaced by a new version without them."""

    home: Path
    warehouse: Warehouse
    place: str = DATASETS

    def find(self, traces: Traces) -> Found:
        store = DatasetFiles(self.home)
        items = tuple(card.reference for card in store.all() if concerns(store, card, traces))
        return Found(place=self.place, what="versions, each replaced by one without these rows").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:
        store = DatasetFiles(self.home)
        for card in store.all():
            if card.reference in items:
                self._replace(store, card, traces)
        store.sweep()

    def _replace(self, store: DatasetFiles, card: DatasetCard, traces: Traces) -> None:
        before = list(store.table(card))
        kept = [row for row in (_without(row, traces.document_ids) for row in before) if row is not None]
        new: DatasetCard | None = None
        if kept:
            gone = len(before) - len(kept)
            dropped = card.dropped | {"forgotten": card.dropped.get("forgotten", 0) + gone}
            sources = tuple(sorted({row.source for row in kept}))
            settings = {"scrubbed": True} if traces.are_in(card.model_dump_json()) else card.settings
            new = store.write(
                card.model_copy(update={"dropped": dropped, "sources": sources, "settings": settings}), kept
            )
            self._record(store, new, kept)
        if new is None or new.version != card.version:
            store.remove(card)
            self.warehouse.drop_derivatives([identity("dataset", str(store.place(card)))])

    def _record(self, store: DatasetFiles, card: DatasetCard, rows: Collection[DatasetRow]) -> None:
        place = str(store.place(card))
        made = Derivative(id=identity("dataset", place), kind="dataset", name=card.reference, place=place)
        self.warehouse.record_derivative(made, documents_of(rows))


@dataclass(frozen=True)
class Replies:
    """What language models wrote about the documents, kept so that it is not paid for twice."""

    home: Path
    place: str = REPLIES

    def find(self, traces: Traces) -> Found:
        found = read_replies(replies_of(self.home))
        items = tuple(reply.key for reply in found if reply.document_id in traces.document_ids)
        return Found(place=self.place, what="replies").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:  # noqa: ARG002 - the documents say it all
        forget_replies(self.home, traces.document_ids)


def concerns(store: DatasetFiles, card: DatasetCard, traces: Traces) -> bool:
    """Return whether a version has rows of what is to be forgotten, or names it in its card."""
    if traces.are_in(card.model_dump_json()):
        return True
    return any(_without(row, traces.document_ids) != row for row in store.table(card))


def _without(row: DatasetRow, document_ids: Collection[str]) -> DatasetRow | None:
    """Return a row without negatives of the documents, or None if it is about one of them."""
    if row.document_id in document_ids:
        return None
    if isinstance(row, Preference):
        return None if row.rejected_document in document_ids else row
    if not isinstance(row, RetrievalPair):
        return row
    if not set(row.documents).isdisjoint(document_ids):
        return None
    if set(row.negative_documents).isdisjoint(document_ids):
        return row
    kept = [place for place, name in enumerate(row.negative_documents) if name not in document_ids]
    return replace(
        row,
        negatives=tuple(row.negatives[place] for place in kept),
        negative_ids=tuple(row.negative_ids[place] for place in kept),
        negative_documents=tuple(row.negative_documents[place] for place in kept),
    )
