"""Bring the warehouse into agreement with the sources, and account for every item that they showed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from loguru import logger

from llm_engineering.application.source_account import Account
from llm_engineering.domain import failpoints
from llm_engineering.domain.documents import Document, Failure, Item, Rejection, storable
from llm_engineering.domain.erasure import MASK, Forgotten, masked
from llm_engineering.domain.errors import LLMEngineeringError, SourceError, UsageError
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.ports import Progress, Source, Warehouse
from llm_engineering.domain.reports import IngestReport
from llm_engineering.domain.secrets import redact

# Documents are stored in transactions of this many, so that memory stays flat and a kill loses little.
BATCH = 200


@dataclass(frozen=True)
class NamedSource:
    """A source that is opened only when its turn comes, so that one that cannot be opened does not stop the others."""

    name: str
    kind: str
    open: Callable[[], Source]


def ingest(
    sources: Sequence[NamedSource],
    warehouse: Warehouse,
    run: int,
    progress: Progress,
    *,
    allow_mass_delete: bool = False,
) -> IngestReport:
    """Read all sources into the warehouse and return the account: one report a source, every incident listed.

    A source that fails as a whole is reported as one failure and deletes nothing; the others go on. So does one whose
    list became shorter by more than `MASS_DELETE`, unless that is allowed: it is more often a fault than a wish.

    Raises:
        BackendError: the warehouse failed.
        LLMEngineeringError: the books of a source do not balance, which is a defect of its adapter.
    """
    forgotten = Forgotten(warehouse.forgotten())
    accounts = [
        _unread(source, warehouse, run)
        if forgotten.has("source", source.name)
        else _read(source, warehouse, run, progress, allow_mass_delete, forgotten)
        for source in sources
    ]
    return IngestReport(
        sources=tuple(account.report() for account in accounts),
        rejections=tuple(_incident(item) for account in accounts for item in account.rejections),
        failures=tuple(_incident(item) for account in accounts for item in account.failures),
    )


def _unread(source: NamedSource, warehouse: Warehouse, run: int) -> Account:
    """Account for a source that was forgotten as a whole, without reading or naming it."""
    account = Account(MASK, source.kind, {}, 0, allow_mass_delete=False)
    account.enter(masked(Rejection(MASK, MASK, "forgotten", ""), source.name))
    return _closed(account, [], warehouse, run)


def _read(
    source: NamedSource,
    warehouse: Warehouse,
    run: int,
    progress: Progress,
    allow_mass_delete: bool,
    forgotten: Forgotten,
) -> Account:
    """Read one source to its end, or to its failure, and leave the warehouse in agreement with what it showed."""
    known = warehouse.states(source.name)
    # A run that was killed may have added documents and not yet deleted any: judge by the list before it.
    before = warehouse.count_before(source.name) or len(known)
    account = Account(source.name, source.kind, known, before, allow_mass_delete, forgotten)
    batch: list[Document] = []
    try:
        opened = _opened(source)
        for shown in progress(_items(opened), f"ingest {source.name}", unit="doc"):
            item = storable(shown) if isinstance(shown, Document) else shown
            if account.enter(item) and isinstance(item, Document):
                batch.append(item)
            if len(batch) >= BATCH:
                _put(batch, account, warehouse, run)
                batch = []
        account.keeps_unshown = bool(getattr(opened, "keeps_unshown", False))
    except (SourceError, UsageError) as error:
        if allow_mass_delete and isinstance(error, SourceError) and error.reason == "empty_source":
            return _closed(account, batch, warehouse, run)  # that it has nothing is what was meant
        logger.error("source {!r} failed: {}", source.name, redact(str(error)))
        account.fail(error)
    return _closed(account, batch, warehouse, run)


def _opened(source: NamedSource) -> Source:
    with _defects_named():
        return source.open()


def _items(source: Source) -> Iterator[Item]:
    with _defects_named():
        yield from source.read()


@contextmanager
def _defects_named() -> Iterator[None]:
    """Let what an adapter never expected be the failure of its source alone: the other sources are none the worse."""
    try:
        yield
    except (LLMEngineeringError, MemoryError):
        raise
    except Exception as error:
        logger.opt(exception=error).error("the adapter of a source met what it does not expect")
        found = f"{type(error).__name__}: {str(error)[:500]}"
        raise SourceError("defect", f"its adapter met what it does not expect, please report it: {found}") from error


def _closed(account: Account, batch: Sequence[Document], warehouse: Warehouse, run: int) -> Account:
    _put(batch, account, warehouse, run)
    buried = account.close()
    warehouse.reject(account.rejections, run)
    failpoints.reach("ingest.before_bury")
    warehouse.bury(buried, run, read=account.name)
    failpoints.reach("ingest.after_bury")
    return account


def _put(batch: Sequence[Document], account: Account, warehouse: Warehouse, run: int) -> None:
    """Store new and changed documents, and unchanged ones that come with another provenance, such as a fresh ETag."""
    same = {document.id for document in batch if account.known.get(document.id) == document.content_hash}
    stored = warehouse.provenances(same)
    fresh = [
        document for document in batch if document.id not in same or stored.get(document.id) != document.provenance
    ]
    failpoints.reach("ingest.before_put")
    if fresh:
        warehouse.put(fresh, run)
    failpoints.reach("ingest.after_put")


def _incident(item: Rejection | Failure) -> Incident:
    return Incident(uri=redact(item.uri), source=item.source, reason=item.reason, detail=redact(item.detail))
