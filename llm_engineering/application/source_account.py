"""The books of one source: every item that it showed is in them once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter

from llm_engineering.domain.documents import GONE, Document, Failure, Item, NotModified, Rejection
from llm_engineering.domain.erasure import Forgotten, masked
from llm_engineering.domain.errors import LLMEngineeringError, SourceError, UsageError
from llm_engineering.domain.reports import SourceReport
from llm_engineering.domain.secrets import redact

# A source may lose this share of its documents in one run; beyond, somebody has to say that it is meant.
MASS_DELETE = 0.2


@dataclass
class Account:
    """The books of one source. `known` is document id → content hash, as the warehouse had it before this run.

    `before` is how many documents the source had when it was last read to its end.
    """

    name: str
    kind: str
    known: Mapping[str, str]
    before: int
    allow_mass_delete: bool
    forgotten: Forgotten = field(default_factory=Forgotten)
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    items: int = 0
    vanished: int = 0
    complete: bool = True
    keeps_unshown: bool = False
    seen: set[str] = field(default_factory=set)
    gone: list[str] = field(default_factory=list)
    forgone: list[str] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    started: float = field(default_factory=perf_counter)

    def enter(self, item: Item) -> bool:
        """Book one item; return whether it has something to store."""
        self.items += 1
        identity = item.id if isinstance(item, Document) else item.document_id
        if self.forgotten.hides(item):
            item = masked(item, identity)
        elif identity in self.seen:
            item = Rejection(item.uri, item.source, "duplicate", "the source showed this document twice", item.key)
        first_time = identity not in self.seen
        self.seen.add(identity)
        match item:
            case Document():
                return self._enter_document(item)
            case NotModified():
                self.unchanged += 1
            case Failure():
                self.failures.append(replace(item, detail=redact(item.detail)))
            case Rejection():
                self.rejections.append(replace(item, detail=redact(item.detail)))
                if first_time and item.reason in GONE and identity in self.known:
                    # Somebody asked for the forgotten to go: that is no loss to be careful about.
                    (self.forgone if item.reason == "forgotten" else self.gone).append(identity)
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
            # Only a fresh ETag or checksum is worth a look; an unchanged document without one costs none.
            return bool(document.provenance)
        return True

    def fail(self, error: SourceError | UsageError) -> None:
        """Book the failure of the source as a whole: what it showed is not all it has."""
        self.items += 1
        self.complete = False
        reason = error.reason if isinstance(error, SourceError) else "usage"
        self.failures.append(Failure(self.name, self.name, reason, str(error)))

    def close(self) -> list[str]:
        """Close the books and return the documents to bury: shown as gone, or no longer shown by a complete source."""
        shows_all = self.complete and not self.keeps_unshown
        missing = [identity for identity in self.known if identity not in self.seen] if shows_all else []
        if self._is_mass_delete(len(missing) + len(self.gone)):
            self._keep(len(missing) + len(self.gone))
            return self.forgone
        self.vanished = len(missing)
        return self.forgone + self.gone + missing

    def _is_mass_delete(self, lost: int) -> bool:
        """Return whether the source shows so many documents fewer than before that it must be meant to be believed.

        The length of the list decides, not what is on it: a folder that was renamed has as many documents as before.
        One document may always go, or nothing could ever leave a small source; but not if nothing at all was shown.
        """
        if self.allow_mass_delete or not lost:
            return False
        after = len(self.known) - lost + self.new
        shorter = self.before - after
        return not self.items or (shorter > 1 and shorter > MASS_DELETE * self.before)

    def _keep(self, lost: int) -> None:
        """Book a mass deletion as one failure; what the source showed as gone is a rejection then."""
        self.items += 1
        self.rejected += len(self.gone)
        self.gone = []
        detail = (
            f"the source shows {lost} of its {len(self.known)} documents no longer, more than {MASS_DELETE:.0%}; "
            "nothing of it was deleted. If they are really gone, run once with --allow-mass-delete"
        )
        self.failures.append(Failure(self.name, self.name, "mass_delete", detail))

    def report(self) -> SourceReport:
        """Return the books.

        Raises:
            LLMEngineeringError: they do not balance, which is a defect of the source's adapter.
        """
        report = SourceReport(
            source=self.name,
            kind=self.kind,
            found=self.items + self.vanished,
            new=self.new,
            changed=self.changed,
            unchanged=self.unchanged,
            deleted=len(self.forgone) + len(self.gone) + self.vanished,
            rejected=self.rejected,
            failed=len(self.failures),
            complete=self.complete,
            seconds=round(perf_counter() - self.started, 3),
        )
        if not report.balances:
            raise LLMEngineeringError(f"the books of source {report.source!r} do not balance: {report!r}")
        return report
