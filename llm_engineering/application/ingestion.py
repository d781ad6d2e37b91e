"""Bring the warehouse into agreement with the sources, and account for every item that they showed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from loguru import logger

from llm_engineering.domain.documents import GONE, Document, Failure, Item, NotModified, Rejection
from llm_engineering.domain.errors import LLMEngineeringError, SourceError, UsageError
from llm_engineering.domain.ports import Progress, Source, Warehouse
from llm_engineering.domain.reports import Incident, IngestReport, SourceReport
from llm_engineering.domain.secrets import redact

# Documents are stored in transactions of this many, so that memory stays flat and a kill loses little.
BATCH = 200


@dataclass(frozen=True)
class NamedSource:
    """A source that is opened only when its turn comes, so that one that cannot be opened does not stop the others."""

    name: str
    kind: str
    open: Callable[[], Source]


def ingest(sources: Sequence[NamedSource], warehouse: Warehouse, run: int, progress: Progress) -> IngestReport:
    """Read all sources into the warehouse and return the account: one report a source, every incident listed.

    A source that fails as a whole is reported as one failure and deletes nothing; the others go on.

    Raises:
        BackendError: the warehouse failed.
        LLMEngineeringError: the books of a source do not balance, which is a defect of its adapter.
    """
    accounts = [_read(source, warehouse, run, progress) for source in sources]
    return IngestReport(
        sources=tuple(account.report() for account in accounts),
        rejections=tuple(_incident(item) for account in accounts for item in account.rejections),
        failures=tuple(_incident(item) for account in accounts for item in account.failures),
    )


def _read(source: NamedSource, warehouse: Warehouse, run: int, progress: Progress) -> "_Account":
    """Read one source to its end, or to its failure, and leave the warehouse in agreement with what it showed."""
    account = _Account(source, warehouse.states(source.name))
    batch: list[Document] = []
    try:
        for item in progress(source.open().read(), f"ingest {source.name}", unit="doc"):
            if account.enter(item) and isinstance(item, Document):
                batch.append(item)
            if len(batch) >= BATCH:
                warehouse.put(batch, run)
                batch = []
    except (SourceError, UsageError) as error:
        logger.error("source {!r} failed: {}", source.name, redact(str(error)))
        account.fail(error)
    warehouse.put(batch, run)
    warehouse.reject(account.rejections, run)
    warehouse.bury(account.close(), run)
    return account


@dataclass
class _Account:
    """The books of one source. `known` is document id → content hash, as the warehouse had it before this run."""

    source: NamedSource
    known: Mapping[str, str]
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    items: int = 0
    vanished: int = 0
    complete: bool = True
    seen: set[str] = field(default_factory=set)
    gone: list[str] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    started: float = field(default_factory=perf_counter)

    def enter(self, item: Item) -> bool:
        """Book one item; return whether it has something to store."""
        self.items += 1
        identity = item.id if isinstance(item, Document) else item.document_id
        if identity in self.seen:
            item = Rejection(item.uri, item.source, "duplicate", "the source showed this document twice", item.key)
        first_time = identity not in self.seen
        self.seen.add(identity)
        match item:
            case Document():
                return self._enter_document(item)
            case NotModified():
                self.unchanged += 1
            case Failure():
                self.failures.append(item)
            case Rejection():
                self.rejections.append(item)
                if first_time and item.reason in GONE and identity in self.known:
                    self.gone.append(identity)
                else:
                    self.rejected += 1
        return False

    def _enter_document(self, document: Document) -> bool:
        before = self.known.get(document.id)
        if before is None:
            self.new += 1
        elif before != document.content_hash:
            self.changed += 1
        else:
            self.unchanged += 1
            # Only a fresh ETag or checksum is worth a write; an unchanged document without one costs none.
            return bool(document.provenance)
        return True

    def fail(self, error: SourceError | UsageError) -> None:
        """Book the failure of the source as a whole: what it showed is not all it has."""
        self.items += 1
        self.complete = False
        reason = error.reason if isinstance(error, SourceError) else "usage"
        self.failures.append(Failure(self.source.name, self.source.name, reason, str(error)))

    def close(self) -> list[str]:
        """Close the books and return the documents to bury: shown as gone, or no longer shown by a complete source."""
        missing = [identity for identity in self.known if identity not in self.seen] if self.complete else []
        self.vanished = len(missing)
        return self.gone + missing

    def report(self) -> SourceReport:
        report = SourceReport(
            source=self.source.name,
            kind=self.source.kind,
            found=self.items + self.vanished,
            new=self.new,
            changed=self.changed,
            unchanged=self.unchanged,
            deleted=len(self.gone) + self.vanished,
            rejected=self.rejected,
            failed=len(self.failures),
            complete=self.complete,
            seconds=round(perf_counter() - self.started, 3),
        )
        if not report.balances:
            raise LLMEngineeringError(f"the books of source {report.source!r} do not balance: {report!r}")
        return report


def _incident(item: Rejection | Failure) -> Incident:
    return Incident(uri=redact(item.uri), source=item.source, reason=item.reason, detail=redact(item.detail))
