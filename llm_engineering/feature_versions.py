"""Feature versions as data, for notebooks and training code: export them, read them back, import, compare.

    from llm_engineering.feature_versions import read_features

    features = read_features("exports/faq-v3")
    features.manifest.model.name, len(features.chunks)
    for chunk in features.chunks: ...            # FeatureChunk, in bounded memory
    features.chunks.arrow().to_table(columns=["text", "vector"])

See `infrastructure.parquet.feature_layout` for the files.
"""

import weakref
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering import stages
from llm_engineering.application import comparison, exporting, importing, versioning
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import Load
from llm_engineering.domain.differences import Difference
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.features import FeatureManifest
from llm_engineering.domain.indexes import IndexRecord
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.ports import VectorStore, Warehouse
from llm_engineering.domain.reports import Report
from llm_engineering.domain.value import identity

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import Features

EXPORT, IMPORT = "features export", "features import"


def read_features(folder: str | Path, *, verify: bool = True) -> "Features":
    """Open an export: its manifest, and its documents and chunks as data sets that stream from disk.

    Every file is compared with its hash first; `verify=False` looks only at sizes, columns and numbers of rows. An
    export on S3 (`s3://BUCKET/PREFIX`) is copied to this machine first, and the copy goes when its data sets do.

    Raises:
        UsageError: there is no finished export, or a file is missing, damaged, changed or foreign; it is named.
    """
    from llm_engineering.infrastructure.parquet import incoming
    from llm_engineering.infrastructure.parquet import read_features as read

    with ExitStack() as stack:
        features = read(stack.enter_context(incoming(folder, Workspace().home / "spool")), verify=verify)
        copy = stack.pop_all()
    left = {"documents", "chunks"}

    def gone(name: str) -> None:
        left.discard(name)
        if not left:
            copy.close()

    weakref.finalize(features.documents, gone, "documents")
    weakref.finalize(features.chunks, gone, "chunks")
    return features


def export_features(load: Load, folder: str | Path, version: str = "", *, force: bool = False) -> FeatureManifest:
    """Export an index version of a collection; without a version, the one that readers see.

    The collection is held meanwhile, so that no run changes it.

    Raises:
        UsageError: there is no such version, or the folder holds something else.
        BackendError: the version is damaged, a run is at work on the collection, or the disk is full.
    """
    from llm_engineering.infrastructure.parquet import is_remote, new_export, outgoing

    workspace, place = Workspace(), str(folder if is_remote(folder) else Path(folder).absolute())
    settings = {"collection": load.collection, "version": version, "to": place}
    with (
        stages.run_of(EXPORT, settings, [f"collection {load.collection}"]) as run,
        workspace.warehouse() as warehouse,
        workspace.store(load, run) as store,
    ):
        record = _version(warehouse, store, load.collection, version)
        name = record.manifest.version
        sources = warehouse.indexed_sources(load.collection, name)
        with (
            outgoing(place, workspace.home / "spool", force=force) as target,
            new_export(target, sources, force=force) as writer,
            store.write(record.manifest) as index,
        ):
            _register(warehouse, load.collection, name, place, run)
            manifest = exporting.export(warehouse, index, record, load.collection, writer, workspace.progress)
        _close(workspace, warehouse, run, manifest)
    return manifest


def import_features(load: Load, folder: str | Path) -> Report:
    """Build an index version from an export, verify it, and let readers see it. No model is needed.

    Documents that the warehouse lacks are stored with it.

    Raises:
        UsageError: the export is damaged, does not fit what the warehouse holds, or holds what was forgotten.
        BackendError: a run is at work on the collection or on one of the sources, or the disk is full.
        GateFailed: the version does not hold what the export does.
    """
    workspace, export = Workspace(), read_features(folder)
    importing.check(export, workspace.progress)
    with workspace.warehouse() as warehouse:
        importing.refuse_forgotten(warehouse, export)
    sources = dict.fromkeys(file.source for file in export.manifest.files)
    holds = [f"collection {load.collection}", *(f"source {source}" for source in sources)]
    settings = {"export": export.manifest.id, "from": str(folder), "collection": load.collection}
    with stages.run_of(IMPORT, settings, holds) as run:
        with workspace.warehouse() as warehouse, workspace.store(load, run) as store:
            importing.put_documents(warehouse, export, run)
            plan, loaded, verified = importing.load(warehouse, store, export, load.collection, run, workspace.progress)
            versioning.publish(warehouse, store, load.collection, plan.manifest.version, run)
        return stages.report(IMPORT, run, plan=plan, loaded=loaded, verified=verified)


def compare_versions(load: Load, left: str, right: str) -> Difference:
    """Compare two index versions of a collection.

    Raises:
        UsageError: there is no such version.
    """
    with Workspace().warehouse() as warehouse:
        return comparison.compare(warehouse, load.collection, left, right)


def compare_exports(left: str | Path, right: str | Path) -> Difference:
    """Compare two exports.

    Raises:
        UsageError: one of them is damaged.
    """
    from llm_engineering.infrastructure.parquet.feature_sides import ExportedSide

    sides = [ExportedSide(read_features(folder)) for folder in (left, right)]
    return comparison.compare_sides(*sides)


def _version(warehouse: Warehouse, store: VectorStore, collection: str, version: str) -> IndexRecord:
    """Return the asked version, or the active one."""
    name = version or versioning.seen(store)
    records = {record.manifest.version: record for _, record in warehouse.index_records(collection)}
    there = [known for known in records if known in store.versions()]
    if not name:
        raise UsageError(f"collection {collection!r} has no active version; run the feature pipeline first")
    if name not in there:
        raise UsageError(f"collection {collection!r} has no version {name!r}; there are: {', '.join(there) or 'none'}")
    return records[name]


def _register(warehouse: Warehouse, collection: str, version: str, place: str, run: int) -> None:
    """Note what the export is made from, before its first byte: erasure then finds also one that was killed."""
    export = Derivative(
        id=identity("export", place), kind="export", name=f"{collection}/{version}", place=place, run=run
    )
    warehouse.record_derivative(export, [state.document_id for state in warehouse.indexed(collection, version)])


def _close(workspace: Workspace, warehouse: Warehouse, run: int, manifest: FeatureManifest) -> None:
    report = manifest.model_dump(mode="json", include={"collection", "version", "digest", "documents", "chunks"})
    workspace.close_run(warehouse, run, "completed", report)
