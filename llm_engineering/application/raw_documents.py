"""Documents out of the warehouse into files, and back: ids stay, texts stay, and what was erased stays away."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar

from loguru import logger

from llm_engineering.application.attempts import Attempts, cleaned
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.domain.documents import Document
from llm_engineering.domain.erasure import Forgotten, authors_of
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.features import FeatureFile
from llm_engineering.domain.ports import Dataset, Progress, Warehouse
from llm_engineering.domain.ports.raw_documents import DocumentWriter
from llm_engineering.domain.raw_documents import DocumentManifest, ImportReport, RawDocument

T = TypeVar("T")

# Documents are read and stored in groups of this many, so that memory stays flat and a kill loses little.
BATCH = 200


def export(
    warehouse: Warehouse,
    sources: Sequence[str],
    writer: DocumentWriter,
    progress: Progress,
    cleaning: Cleaning | None = None,
) -> DocumentManifest:
    """Write the live documents of the sources to files, one for each source, and return the manifest.

    With `cleaning` their texts, titles and metadata are cleaned on the way: cleaning what is clean changes nothing, so
    an index that is made from these documents has the chunks of one that is made from the raw ones. A document that a
    cleaner rejects, or raises on, is left out; it is logged, and counted in the manifest by the reason.

    Raises:
        UsageError: a cleaner failed for all documents.
        BackendError: the disk is full, or the warehouse failed.
    """
    files: list[FeatureFile] = []
    authors: set[str] = set()
    cleaner = _Cleaner(cleaning) if cleaning else None
    for source in progress(sources, "export", total=len(sources), unit="source"):
        documents = _documents(warehouse, source)
        kept = cleaner.kept(documents) if cleaner else documents
        files.append(writer.write_raw(source, map(RawDocument.of, _noting(kept, authors))))
    if cleaner:
        cleaner.attempts.judge()
    manifest = DocumentManifest(
        documents=sum(file.count for file in files),
        cleaning=cleaning.model_dump(mode="json") if cleaning else None,
        left_out=dict(sorted(cleaner.left_out.items())) if cleaner else {},
        users=tuple(warehouse.users(authors)),
        files=tuple(files),
    ).sealed()
    writer.seal(manifest)
    return manifest


@dataclass
class _Cleaner:
    """Cleans documents, and counts by reason those that are left out."""

    cleaning: Cleaning
    attempts: Attempts = field(default_factory=lambda: Attempts("cleaning"))
    left_out: Counter[str] = field(default_factory=Counter)

    def kept(self, documents: Iterable[Document]) -> Iterator[Document]:
        for document in documents:
            made = cleaned(self.cleaning, document)
            detail, reason = str(made.outcome.get("detail", "")), str(made.outcome.get("rejected", ""))
            self.attempts.note(detail if made.outcome.get("failed") else "")
            if reason:
                self.left_out[reason] += 1
                logger.warning("left out, {} {}: {}: {}", document.uri, document.key, reason, detail)
            else:
                yield replace(document, text=made.text, title=made.title, metadata=made.metadata)


def refuse_unchosen(manifest: DocumentManifest, chosen: Sequence[str] | None) -> None:
    """Look whether an index of the sources `chosen` has anything of an export; None stands for all.

    Raises:
        UsageError: it has not.
    """
    if chosen is None or not manifest.sources or set(chosen) & set(manifest.sources):
        return
    held = ", ".join(manifest.sources)
    raise UsageError(
        f"{manifest.id} holds documents of {held}, and the configuration chooses {', '.join(chosen) or 'none'}, so the "
        "index would have nothing of it; give the configuration of these sources (--config), or name them "
        "(--set 'select.sources=[…]')"
    )


def check(manifest: DocumentManifest, rows: Dataset[RawDocument], progress: Progress) -> None:
    """Prove that each row is what its id and hash say, and that none is there twice.

    Raises:
        UsageError: one is not; the message names it.
    """
    seen: set[str] = set()
    for row in progress(rows, "check", total=len(rows), unit="doc"):
        document = row.document
        if (document.id, document.content_hash) != (row.id, row.content_hash) or row.id in seen:
            raise UsageError(
                f"a document of {row.uri} in {manifest.id} does not have the id or the hash that it is named by, or "
                "is there twice: the export was not made by this project, or was changed. Export it again"
            )
        seen.add(row.id)


def take_in(
    warehouse: Warehouse, manifest: DocumentManifest, rows: Dataset[RawDocument], run: int, progress: Progress
) -> ImportReport:
    """Store the documents that the warehouse lacks, and new versions of those that it has with another content.

    What was erased is passed over. What is unchanged is not touched.
    """
    forgotten = Forgotten(warehouse.forgotten())
    sources = dict.fromkeys(file.source for file in manifest.files)
    known = {key: held for source in sources for key, held in warehouse.states(source).items()}
    for user in manifest.users:
        if not forgotten.has("user", user.id):
            warehouse.get_or_create_user(user)
    counts = dict.fromkeys(("new", "changed", "unchanged", "forgotten"), 0)
    wanted = (_counted(row, known.get(row.id), forgotten, counts) for row in _shown(rows, progress))
    for batch in _batches(document for document in wanted if document is not None):
        warehouse.put(batch, run)
    for source in sources:  # they came to their end: the next reading is judged by all that is there now
        if warehouse.count_before(source) is not None:
            warehouse.bury([], run, read=source)
    return ImportReport(run=run, export=manifest.id, found=len(rows), **counts)


def _counted(row: RawDocument, held: str | None, forgotten: Forgotten, counts: dict[str, int]) -> Document | None:
    """Book a row, and return its document if it is to be stored."""
    document = row.document
    if forgotten.hides(document):
        counts["forgotten"] += 1
        return None
    kind = "new" if held is None else "unchanged" if held == row.content_hash else "changed"
    counts[kind] += 1
    return None if kind == "unchanged" else document


def _shown(rows: Dataset[RawDocument], progress: Progress) -> Iterable[RawDocument]:
    return progress(rows, "import", total=len(rows), unit="doc")


def _documents(warehouse: Warehouse, source: str) -> Iterator[Document]:
    """Yield the live documents of a source, by id, in bounded memory."""
    for states in _batches(warehouse.live([source])):
        yield from warehouse.documents([state.document_id for state in states])


def _noting(documents: Iterable[Document], authors: set[str]) -> Iterator[Document]:
    for document in documents:
        authors.update(authors_of(document.user_id, document.metadata.get("author")))
        yield document


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def unknown_source(name: str, known: Collection[str]) -> UsageError:
    """Return the error that a source is not in the warehouse."""
    listed = ", ".join(sorted(known)[:20]) or "none yet; run the feature pipeline first"
    return UsageError(f"the warehouse has no source {name!r}; it has: {listed}")
