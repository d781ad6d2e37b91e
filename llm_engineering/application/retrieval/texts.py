"""The text that an index was made of: of all stored versions of a document the one that its passages stand in."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from itertools import groupby
from threading import Lock
from typing import cast

from loguru import logger

from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.retrieval.filters import allowed
from llm_engineering.domain.access import Access
from llm_engineering.domain.conditions import In
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.features import FeatureDocument
from llm_engineering.domain.ports import VectorIndex, Warehouse

# Passages of a document as (start, end, text).
Spans = tuple[tuple[int, int, str], ...]
FIELDS = ("document_id", "start", "end", "text")
# Of so many documents it is remembered which of their versions an index was made of.
_REMEMBERED = 100_000
OpenWarehouse = Callable[[], AbstractContextManager[Warehouse | None]]


class Cleaned:
    """Cleaned documents by content, the last used ones, for all versions and threads together."""

    def __init__(self, characters: int = 20_000_000) -> None:
        """Remember documents of so many characters in all."""
        self._room = characters
        self._known: OrderedDict[tuple[str, ...], CleanedDocument] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, ...], make: Callable[[], CleanedDocument]) -> CleanedDocument:
        """Return the document of a key, made now if it is not known."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        made = make()
        with self._lock:
            if key not in self._known:
                self._known[key] = made
                self._room -= len(made.text)
            while self._room < 0 and self._known:
                self._room += len(self._known.popitem(last=False)[1].text)
        return made

    def known(self, key: tuple[str, ...]) -> CleanedDocument | None:
        """Return the document of a key if it is remembered."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)


class Texts:
    """The cleaned documents of one index version.

    What a caller may see is asked from the index itself, passage by passage, under the same condition as a search. The
    ledger is not asked for the version of a text, because a run that is under way has written there already what
    readers do not see yet: a text is the right one if the passages of the index stand in it at their offsets.
    """

    def __init__(self, warehouse: OpenWarehouse, settings: object, cleaned: Cleaned) -> None:
        self._warehouse = warehouse
        self._cleaning = Cleaning.model_validate(settings)
        self._key = self._cleaning.model_dump_json()
        self._cleaned = cleaned
        self._fits: dict[str, tuple[str, ...]] = {}

    def known(self, ids: Collection[str]) -> dict[str, CleanedDocument]:
        """Return those of the documents that were found before and are still remembered, by id: an index version does
        not change, so nothing has to be asked again. That the caller may see them is for whoever asks to know."""
        fits = self._fits
        found = {name: self._cleaned.known(fits[name]) for name in ids if name in fits}
        return {name: document for name, document in found.items() if document is not None}

    def of(self, index: VectorIndex, ids: Collection[str], access: Access) -> dict[str, CleanedDocument]:
        """Return those of the documents that the index holds and the caller may see, by id."""
        passages = spans_of(index, ids, access)
        if not passages:
            return {}
        with self._warehouse() as warehouse:
            stored: Iterable[FeatureDocument] = warehouse.stored_versions(list(passages)) if warehouse else ()
            versions = {key: list(group) for key, group in groupby(stored, key=lambda one: one.id)}
        found = {key: self._fitting(versions.get(key, []), spans) for key, spans in passages.items()}
        for lost in [key for key, document in found.items() if document is None]:
            logger.warning("document {} is in the index, and no version of it in the warehouse has its passages", lost)
        return {key: document for key, document in found.items() if document is not None}

    def _fitting(self, versions: Collection[FeatureDocument], spans: Spans) -> CleanedDocument | None:
        for version in versions:
            cleaned = self._clean(version)
            if all(cleaned.text[start:end] == text for start, end, text in spans):
                self._remember(version)
                return cleaned
        return None

    def _clean(self, version: FeatureDocument) -> CleanedDocument:
        return self._cleaned.get(self._key_of(version), lambda: self._cleaning.clean(version.document))

    def _remember(self, version: FeatureDocument) -> None:
        if len(self._fits) >= _REMEMBERED:
            self._fits = {}  # begun anew as a whole: other threads go on with what they hold
        self._fits[version.id] = self._key_of(version)

    def _key_of(self, version: FeatureDocument) -> tuple[str, ...]:
        return version.id, version.content_hash, self._key


def spans_of(index: VectorIndex, ids: Collection[str], access: Access) -> Mapping[str, Spans]:
    """Return document id → its passages in the index, of the documents that the caller may see.

    The ids may be anything that somebody sent: they are values of one condition and nothing else.
    """
    wanted = sorted(set(ids))
    found: dict[str, list[tuple[int, int, str]]] = {}
    for first in range(0, len(wanted), 100):
        condition = allowed(In(field="document_id", values=tuple(wanted[first : first + 100])), access)
        for payload in index.payloads(FIELDS, condition):
            span = (cast("int", payload["start"]), cast("int", payload["end"]), str(payload["text"]))
            found.setdefault(str(payload["document_id"]), []).append(span)
    return {key: tuple(spans) for key, spans in found.items() if key in wanted}
