"""The documents of the warehouse: looked through, exported and imported as data, and looked at once more.

from llm_engineering.raw_documents import read_documents

manifest, documents = read_documents("exports/lake")
for row in documents: ...                    # RawDocument, in bounded memory; `row.document` is the document
documents.arrow().to_table(columns=["uri", "text"])
"""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_engineering import stages
from llm_engineering.application import raw_documents
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.damage import read_again
from llm_engineering.application.raw_documents import unknown_source
from llm_engineering.bootstrap import Workspace
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.raw_documents import DocumentManifest, ImportReport, RawDocument
from llm_engineering.domain.records import DocumentRecord
from llm_engineering.domain.value import identity
from llm_engineering.infrastructure.traces.spellings import uris_meant

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import FeatureDataset

EXPORT, IMPORT, RETRY = "warehouse export", "warehouse import", "warehouse retry"
# Rejections that no second look changes: what was erased must not come back.
_FINAL = "forgotten"
_AT_ONCE = 500


def read_documents(folder: str | Path) -> "tuple[DocumentManifest, FeatureDataset[RawDocument]]":
    """Open an export of documents: its manifest, and its rows, which stream from disk.

    One on S3 (`s3://BUCKET/PREFIX`) is copied to this machine first, and the copy goes when the rows do.

    Raises:
        UsageError: there is no finished export, or a file is missing, damaged, changed or foreign; it is named.
    """
    from llm_engineering.infrastructure.parquet import incoming
    from llm_engineering.infrastructure.parquet import read_documents as read

    with ExitStack() as stack:
        manifest, rows = read(stack.enter_context(incoming(folder, Workspace().home / "spool")))
        weakref.finalize(rows, stack.pop_all().close)
    return manifest, rows


def export_documents(
    folder: str | Path, source: str = "", *, force: bool = False, cleaning: Cleaning | None = None
) -> DocumentManifest:
    """Export the live documents of one source, or of all. No run changes these sources meanwhile.

    Args:
        folder: A new or an empty folder, or `s3://BUCKET/PREFIX`.
        source: The source whose documents are meant; empty: all.
        force: Replace an older export there.
        cleaning: Clean the texts on the way; without it they are as their sources yielded them.

    Raises:
        UsageError: there is no such source, or the folder holds something else.
        BackendError: a run is at work on one of the sources, the disk is full, or the object store failed.
    """
    from llm_engineering.infrastructure.parquet import is_remote, new_export, outgoing
    from llm_engineering.infrastructure.parquet.feature_writing import check_free

    workspace, place = Workspace(), str(folder if is_remote(folder) else Path(folder).absolute())
    if not is_remote(place):
        check_free(Path(place), force=force)
    with workspace.warehouse() as warehouse:
        sources = [count.source for count in warehouse.source_counts() if count.live and source in ("", count.source)]
        if source:
            _check_source(warehouse, source)
    settings = {"source": source, "to": place, "cleaned": cleaning is not None}
    holds = [f"source {name}" for name in sources]
    with stages.run_of(EXPORT, settings, holds) as run, workspace.warehouse() as warehouse:
        with (
            outgoing(place, workspace.home / "spool", force=force) as target,
            new_export(target, sources, force=force) as writer,
            read_again(warehouse, run),
        ):
            # Before the first byte: erasure then finds also an export that was killed.
            made = Derivative(id=identity("export", place), kind="export", name="documents", place=place, run=run)
            warehouse.record_derivative(made, [state.document_id for state in warehouse.live(sources)])
            manifest = raw_documents.export(warehouse, sources, writer, workspace.progress, cleaning)
        report = manifest.model_dump(mode="json", include={"digest", "documents"})
        workspace.close_run(warehouse, run, "completed", report)
    return manifest


def import_documents(folder: str | Path, chosen: Sequence[str] | None = None) -> ImportReport:
    """Store the documents of an export under the ids that they had. Repeating it changes nothing.

    Raises:
        UsageError: the export is damaged, changed or foreign, or has none of the sources `chosen`; nothing was written.
        BackendError: a run is at work on one of its sources, or the object store failed.
    """
    workspace = Workspace()
    manifest, rows = read_documents(folder)
    raw_documents.refuse_unchosen(manifest, chosen)
    raw_documents.check(manifest, rows, workspace.progress)
    holds = [f"source {source}" for source in manifest.sources]
    settings = {"export": manifest.id, "from": str(folder)}
    with stages.run_of(IMPORT, settings, holds) as run, workspace.warehouse() as warehouse:
        report = raw_documents.take_in(warehouse, manifest, rows, run, workspace.progress)
        workspace.close_run(warehouse, run, "completed", report.model_dump(mode="json"))
    return report


def retry(source: str = "", reason: str = "") -> int:
    """Make the next run look again at what was refused, and return how many items that are.

    Raises:
        UsageError: there is no such source.
        BackendError: a run is at work on one of the sources.
    """
    workspace = Workspace()
    with workspace.warehouse() as warehouse:
        _check_source(warehouse, source)
        sources = dict.fromkeys(found.source for found in _refused(warehouse, source, reason))
    if not sources:
        return 0
    settings = {"source": source, "reason": reason}
    holds = [f"source {name}" for name in sources]
    count = 0
    with stages.run_of(RETRY, settings, holds) as run, workspace.warehouse() as warehouse:
        # The newest comes first, and what was looked at is no longer among them: always the first page.
        while batch := [(each.source, each.uri, each.document_id) for each in _page(warehouse, source, reason)]:
            warehouse.look_again(batch, run)
            count += len(batch)
        workspace.close_run(warehouse, run, "completed", {"items": count})
    return count


def document(name: str) -> dict[str, Any]:
    """Return what is known of a document: state, versions, where it came from, where it stands in each index.

    Raises:
        UsageError: nothing has this name, or several records of one file have.
    """
    with Workspace().warehouse() as warehouse:
        record = _record(warehouse, name)
        provenance = warehouse.provenance(record.id)
        versions = warehouse.version_records(record.id)
        shown = {key: getattr(record, key) for key in DocumentRecord.__slots__}
        return shown | {
            "versions": [{key: getattr(one, key) for key in one.__slots__} for one in versions],
            "came_from": {
                "source": record.source,
                "provenance": dict(provenance or {}),
                "first": _run(warehouse, record.first_run),
                "last": _run(warehouse, record.last_run),
            },
            "indexes": _indexes(warehouse, record),
        }


def text_of(name: str) -> str:
    """Return the text of a document as it is stored: the newest version, also of one that is gone.

    Raises:
        UsageError: nothing has this name, or several records of one file have.
    """
    with Workspace().warehouse() as warehouse:
        return next(iter(warehouse.stored_versions([_record(warehouse, name).id]))).text


def check_source(source: str) -> None:
    """Refuse a source that the warehouse does not know; an empty name stands for all.

    Raises:
        UsageError: there is none; the message names those that there are.
    """
    with Workspace().warehouse() as warehouse:
        _check_source(warehouse, source)


def _check_source(warehouse: Warehouse, source: str) -> None:
    if source and source not in (known := warehouse.known_names("source")):
        raise unknown_source(source, known)


def _refused(warehouse: Warehouse, source: str, reason: str) -> Iterator[Any]:
    return (found for found in warehouse.refusals(source, reason) if found.reason != _FINAL)


def _page(warehouse: Warehouse, source: str, reason: str) -> Iterator[Any]:
    return islice(_refused(warehouse, source, reason), _AT_ONCE)


def _record(warehouse: Warehouse, name: str) -> DocumentRecord:
    found = list(warehouse.document_records("id", [name]))
    for uri in uris_meant(name):
        found = found or list(warehouse.document_records("uri", [uri]))
    if not found and "#" in name:  # as lists write a record of a file
        place, _, key = name.rpartition("#")
        found = [record for record in warehouse.document_records("uri", [place]) if record.key == key]
    if not found:
        raise UsageError(
            f"the warehouse has no document with the id or URI {name!r}; `python -m tools.warehouse list` lists them"
        )
    if len(found) > 1:
        listed = ", ".join(f"{record.id} ({record.source} {record.key})".strip() for record in found[:5])
        raise UsageError(f"{len(found)} documents have the URI {name!r}; name one by its id: {listed}")
    return found[0]


def _indexes(warehouse: Warehouse, record: DocumentRecord) -> list[dict[str, object]]:
    """Return the state of a document in each index version: up to date, outdated, or absent."""
    ledger = {(held.collection, held.version): held for held in warehouse.ledger_records(record.id)}
    states: list[dict[str, object]] = []
    for collection, version in ((name, each.manifest.version) for name, each in warehouse.index_records()):
        held = ledger.get((collection, version))
        same = held is not None and record.live and held.content_hash == record.content_hash
        states.append(
            {
                "collection": collection,
                "version": version,
                "active": _seen(warehouse, collection) == version,
                "state": "up to date" if same else "outdated" if held else "absent",
                "chunks": held.chunks if held else 0,
                "run": held.run if held else 0,
            }
        )
    return states


def _seen(warehouse: Warehouse, collection: str) -> str:
    history = warehouse.activations(collection)
    return history[-1].version if history else ""


def _run(warehouse: Warehouse, run: int) -> Mapping[str, object]:
    """Return what there is to say of a run; runs can be deleted while their documents stay."""
    try:
        record = warehouse.run_record(run)
    except UsageError:
        return {"run": run}
    return {"run": run, "pipeline": record["pipeline"], "started_at": record["started_at"]}
