"""Plan what a run has to do: compare the warehouse with what an index version holds, and the ledger with the store."""

from collections.abc import Collection, Iterable

from loguru import logger

from llm_engineering.domain.indexes import DocumentState, IndexManifest, Plan
from llm_engineering.domain.ports import VectorIndex, VectorStore, Warehouse


def plan(
    warehouse: Warehouse,
    store: VectorStore,
    collection: str,
    manifest: IndexManifest,
    sources: Collection[str] | None,
    run: int,
) -> tuple[Plan, list[str]]:
    """Return the plan and the ids of the new and changed documents, in ascending order.

    The index version is the one with the manifest's fingerprint, registered if there is none yet. The ledger is not
    believed without the store: where they differ, the ledger is corrected first (see `reconcile`).

    Args:
        warehouse: Where the documents and the ledger are.
        store: Where the points of the collection are.
        collection: The collection to bring up to date.
        manifest: What the features are to be made of; its `version` is ignored.
        sources: Index the documents of these sources only; None means all.
        run: The number of this run.

    Raises:
        BackendError: warehouse or store failed, or another process is writing to the store.
    """
    manifest = warehouse.register_index(collection, manifest, run)
    with store.write(manifest) as index:
        reconcile(warehouse, index, collection)
    wanted = _hashes(warehouse.live(sources))
    held = _hashes(warehouse.indexed(collection, manifest.version))
    new = [key for key in wanted if key not in held]
    changed = [key for key in wanted if key in held and wanted[key] != held[key]]
    active = store.active()
    result = Plan(
        run=run,
        collection=collection,
        manifest=manifest,
        new=len(new),
        changed=len(changed),
        unchanged=len(wanted) - len(new) - len(changed),
        removed=tuple(key for key in held if key not in wanted),
        activates=active is None or active.version != manifest.version,
    )
    return result, sorted(new + changed)


def reconcile(warehouse: Warehouse, index: VectorIndex, collection: str) -> None:
    """Make the ledger of an index version tell the truth about its store.

    Points that the ledger does not know (a run died between writing and committing) are deleted. Points that the
    ledger knows and the store lacks (a folder was deleted behind our back) make the ledger forget everything, so that
    this run loads it again; the vectors are still in the warehouse, so nothing is embedded twice.
    """
    version = index.manifest.version
    known = set(warehouse.indexed_chunks(collection, version))
    stored = set(index.ids())
    if orphans := stored - known:
        logger.warning("index {} {}: deleting {} points that no document owns", collection, version, len(orphans))
        index.delete(orphans)
        index.flush()
    if lost := known - stored:
        logger.warning("index {} {}: {} points are missing; loading it again", collection, version, len(lost))
        documents = [state.document_id for state in warehouse.indexed(collection, version)]
        warehouse.forget_indexed(collection, version, documents)
        index.delete(known & stored)
        index.flush()


def _hashes(states: Iterable[DocumentState]) -> dict[str, str]:
    return {state.document_id: state.content_hash for state in states}
