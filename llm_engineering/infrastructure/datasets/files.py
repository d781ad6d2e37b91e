"""Data sets in folders: `datasets/<name>/<version>/` with the rows as Parquet, and their card as JSON."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING
from uuid import uuid4

from llm_engineering.domain.datasets import DATASET_ROWS, DatasetCard, DatasetRow, RetrievalPair, Split
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.ports.training import Row
from llm_engineering.infrastructure.datasets.cards import card_text, read_card
from llm_engineering.infrastructure.vector_stores.folders import replace_file, sync

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset

FOLDER = "datasets"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
VERSION = re.compile(r"[0-9a-f]{12}")
CARD = "card.json"
# Beside the versions of a name: which of them was made last. The same rows may be made again after others.
NEWEST = "newest.json"
# What says nothing about the rows: it does not make another card of a version that is there.
_CIRCUMSTANCES = {"run", "created_at", "cost"}


class DatasetFiles:
    """The port `DatasetStore` over a home. A version is renamed into its place, so it is whole or not there."""

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER

    def write(self, card: DatasetCard, rows: Iterable[DatasetRow]) -> DatasetCard:
        """Keep rows as a version; return the card with version, digest and counts.

        Rows that are there already are the same version; its card is replaced only if it says something else of them.

        Raises:
            UsageError: the name is none.
            BackendError: the disk is full, or the folder cannot be written.
        """
        from llm_engineering.infrastructure.parquet import write_dataset

        folder = self._of(card.name)
        partial = folder / f".{uuid4().hex}"
        with _translated(partial):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            written = write_dataset(rows, _row_type(card), partial)
            card = _completed(card, written)
            with _translated(partial):
                replace_file(partial / CARD, card_text(card))
                self._put(card, partial, folder / card.version)
                replace_file(folder / NEWEST, json.dumps({"version": card.version}))
        finally:
            rmtree(partial, ignore_errors=True)
        return self.find(card.reference)

    def find(self, reference: str) -> DatasetCard:
        name, _, version = reference.partition("@")
        if version:
            card = self._card(name, version) if NAME.fullmatch(name) and VERSION.fullmatch(version) else None
        else:
            card = self._newest(name)
        if card is None:
            known = ", ".join(card.reference for card in self.all()) or "none"
            raise UsageError(
                f"there is no data set {reference!r}; there are: {known}. "
                "`poetry poe run-dataset-pipeline` makes one for a retriever (section `dataset`), "
                "run-instruct-dataset-pipeline and run-preference-dataset-pipeline for a language model"
            )
        return card

    def rows(self, card: DatasetCard, splits: Sequence[Split]) -> Sequence[RetrievalPair]:
        return self.rows_of(RetrievalPair, card, splits)

    def rows_of(self, row_type: type[Row], card: DatasetCard, splits: Sequence[Split]) -> Sequence[Row]:
        if _row_type(card) is not row_type:
            wanted = next(kind for kind, rows in DATASET_ROWS.items() if rows is row_type)
            raise UsageError(
                f"data set {card.reference} is of kind {card.kind!r}, and one of kind {wanted!r} is needed"
            )
        chosen = {Split(split).value for split in splits}
        return [row for row in self.table(card) if isinstance(row, row_type) and row.split in chosen]

    def table(self, card: DatasetCard) -> "ParquetDataset[DatasetRow]":
        """Return all rows as the Parquet data set that they are, compared with the card's digest.

        Raises:
            UsageError: the rows are not those of the card, or are no longer there.
        """
        from llm_engineering.infrastructure.parquet import read_dataset

        folder = self._of(card.name) / card.version
        try:
            found = read_dataset(folder)
            digest = found.fingerprint()
        except BackendError as error:
            raise UsageError(f"the rows of data set {card.reference} cannot be read: {error}; make it again") from error
        if digest != card.digest or found.row_type is not _row_type(card):
            raise UsageError(
                f"the rows of data set {card.reference} in {folder} have the digest {digest[:12]}…, and its card says "
                f"{card.digest[:12]}…: they were changed; remove the folder and make the data set again"
            )
        return found  # type: ignore[return-value]  # the line above says what its rows are

    def all(self) -> Sequence[DatasetCard]:
        """Return the cards of all versions, by name, oldest first."""
        names = sorted(path.name for path in self.folder.glob("*") if path.is_dir() and NAME.fullmatch(path.name))
        return [card for name in names for card in self._versions(name)]

    def place(self, card: DatasetCard) -> Path:
        """Return the folder of a version."""
        return self._of(card.name) / card.version

    def remove(self, card: DatasetCard) -> None:
        """Remove a version for good; one that is gone already is no error."""
        place = self.place(card)
        hidden = place.with_name(f".{uuid4().hex}")
        with _translated(place):
            if place.exists():
                place.rename(hidden)
                rmtree(hidden)
            left = self._versions(card.name)
            if left:
                replace_file(place.parent / NEWEST, json.dumps({"version": left[-1].version}))
            elif place.parent.exists():
                rmtree(place.parent)

    def sweep(self) -> None:
        """Remove what killed processes left of versions that were being written or removed."""
        with _translated(self.folder):
            for path in self.folder.glob("*/.*"):
                rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _put(self, card: DatasetCard, partial: Path, place: Path) -> None:
        before = self._card(card.name, card.version)
        if before is None:
            if place.exists():  # without a card that can be read: what is left of a version
                rmtree(place)
            partial.rename(place)
            sync(place.parent)
        elif before.model_dump(exclude=_CIRCUMSTANCES) != card.model_dump(exclude=_CIRCUMSTANCES):
            (partial / "rows.parquet").replace(place / "rows.parquet")
            (partial / CARD).replace(place / CARD)
            sync(place)
        else:
            # The same bytes; should the ones that are there have been damaged, they are whole again.
            (partial / "rows.parquet").replace(place / "rows.parquet")

    def _of(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name of a data set; use up to 63 letters, digits, '-', '_' and '.', beginning with a "
                "letter or digit"
            )
        return self.folder / name

    def _newest(self, name: str) -> DatasetCard | None:
        if not NAME.fullmatch(name):
            return None
        versions = {card.version: card for card in self._versions(name)}
        try:
            noted = json.loads((self.folder / name / NEWEST).read_text(encoding="utf-8")).get("version")
        except (OSError, ValueError, AttributeError):
            noted = None
        return versions.get(noted) or next(reversed(versions.values()), None)

    def _versions(self, name: str) -> list[DatasetCard]:
        folders = [path.name for path in (self.folder / name).glob("*") if VERSION.fullmatch(path.name)]
        cards = [card for version in folders if (card := self._card(name, version))]
        return sorted(cards, key=lambda card: (card.created_at, card.version))

    def _card(self, name: str, version: str) -> DatasetCard | None:
        """Return the card of a version, or None where there is none that belongs there.

        Raises:
            UsageError: the card is not one, was changed by hand, or is another version's.
        """
        path = self.folder / name / version / CARD
        card = read_card(path)
        if card is not None and (card.name, card.version, card.digest[:12]) != (name, version, version):
            raise UsageError(f"{path} says that it is {card.reference}: it was changed; remove its folder")
        return card


def _row_type(card: DatasetCard) -> type[DatasetRow]:
    if card.kind not in DATASET_ROWS:
        raise UsageError(f"data set {card.reference} is of kind {card.kind!r}; known are {', '.join(DATASET_ROWS)}")
    return DATASET_ROWS[card.kind]


def _completed(card: DatasetCard, rows: "ParquetDataset[DatasetRow]") -> DatasetCard:
    """Return the card with what the rows say of themselves."""
    splits: Counter[str] = Counter()
    origins: Counter[str] = Counter()
    documents: set[str] = set()
    clusters: set[str] = set()
    for row in rows:
        splits[row.split] += 1
        origins[row.origin] += 1
        documents.add(row.document_id)
        clusters.add(row.cluster)
    digest = rows.fingerprint()
    return card.model_copy(
        update={
            "version": digest[:12],
            "digest": digest,
            "rows": dict(sorted(splits.items())),
            "origins": dict(sorted(origins.items())),
            "documents": len(documents - {""}),
            "clusters": len(clusters),
        }
    )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendError(f"the data set in {path.parent} cannot be written: {error}") from error
