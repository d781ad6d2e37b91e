"""Plan what a run has to do: compare the warehouse with what an index version holds, and the ledger with the store."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from loguru import logger

from llm_engineering.application.near_duplicates import Found
from llm_engineering.application.verification import examine, mend, with_writer
from llm_engineering.application.versioning import rolled_back, seen
from llm_engineering.domain import failpoints
from llm_engineering.domain.indexes import DocumentState, IndexManifest, Plan
from llm_engineering.domain.ports import VectorIndex, VectorStore, Warehouse
from llm_engineering.domain.value import digest_of_rows

# Finds the near-duplicates among live documents, id → content hash.
FindDuplicates = Callable[[Mapping[str, str]], Found]


def plan(
    warehouse: Warehouse,
    store: VectorStore,
    collection: str,
    manifest: IndexManifest,
    sources: Collection[str] | None,
    run: int,
    duplicates: FindDuplicates | None = None,
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
        duplicates: Finds near-duplicates; None: they are not looked for.

    Raises:
        BackendError: warehouse or store failed, or another process is writing to the store.
    """
    manifest = warehouse.register_index(collection, manifest, run, taken=store.versions().keys())
    failpoints.reach("plan.after_register")
    with_writer(store, manifest, lambda index: reconcile(warehouse, index, collection, run))
    failpoints.reach("plan.after_reconcile")
    found = changes(warehouse, collection, manifest.version, sources, duplicates)
    _warn_of_others(warehouse, seen(store), collection, manifest.version, found.removed, sources)
    serves = not _is_rolled_back(warehouse, store, collection, manifest.version)
    result = Plan(
        run=run,
        collection=collection,
        manifest=manifest,
        new=len(found.new),
        changed=len(found.changed),
        unchanged=found.unchanged,
        removed=found.removed,
        serves=serves,
        activates=serves and not _is_seen(store, manifest.version),
        state=found.state,
        duplicates=found.duplicates.report if found.duplicates else None,
    )
    return result, found.wanted


@dataclass(frozen=True)
class Changes:
    """How the warehouse differs from what an index version holds, by ids of documents.

    `state` is a digest of what the version is to hold, document by document.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    state: str = ""
    duplicates: Found | None = None

    @property
    def wanted(self) -> list[str]:
        """The documents that have to be made features of, in ascending order."""
        return sorted([*self.new, *self.changed])


def changes(
    warehouse: Warehouse,
    collection: str,
    version: str,
    sources: Collection[str] | None,
    duplicates: FindDuplicates | None = None,
) -> Changes:
    """Compare the warehouse with the ledger of an index version; without a version, everything is new.

    Near-duplicates that are to be left out are not wanted, as if the warehouse did not have them.
    """
    wanted = _hashes(warehouse.live(sources))
    found = duplicates(wanted) if duplicates else None
    if found and found.report.left_out:
        wanted = {key: content for key, content in wanted.items() if key not in found.duplicates}
    held = _hashes(warehouse.indexed(collection, version)) if version else {}
    new = tuple(key for key in wanted if key not in held)
    changed = tuple(key for key in wanted if key in held and wanted[key] != held[key])
    removed = tuple(key for key in held if key not in wanted)
    unchanged = len(wanted) - len(new) - len(changed)
    return Changes(new, changed, removed, unchanged, digest_of_rows(sorted(wanted.items())), found)


def _warn_of_others(
    warehouse: Warehouse,
    active: str,
    collection: str,
    version: str,
    removed: Collection[str],
    sources: Collection[str] | None,
) -> None:
    """Say so if readers will not see any more what they see of sources that the configuration does not name."""
    known = {record.manifest.version for _, record in warehouse.index_records(collection)}
    if sources is not None and active != version and active in known:
        wanted = {state.document_id for state in warehouse.live(sources)}
        removed = {state.document_id for state in warehouse.indexed(collection, active)} - wanted
    if others := unnamed(warehouse, removed, sources):
        logger.warning(
            "collection {!r}: documents of sources that this configuration does not name leave the index, and stay in "
            "the warehouse: {}. If another configuration fills this collection, give each its own (load.collection)",
            *(collection, ", ".join(f"{count:,} of {name}" for name, count in sorted(others.items()))),
        )


def unnamed(warehouse: Warehouse, document_ids: Collection[str], sources: Collection[str] | None) -> Mapping[str, int]:
    """Return source → how many of these documents are live there, of the sources that are not named (None: all are)."""
    if sources is None or not document_ids:
        return {}
    found = (record.source for record in warehouse.document_records("id", document_ids) if record.live)
    return Counter(source for source in found if source not in sources)


def reconcile(warehouse: Warehouse, index: VectorIndex, collection: str, run: int = 0) -> None:
    """Make the ledger of an index version tell the truth about its store.

    Points that the ledger does not know (a run died between writing and committing) are deleted. Points that the
    ledger knows and the store lacks (a folder was deleted behind our back) are struck from the ledger, so that this run
    loads them again; the vectors are still in the warehouse, so nothing is embedded twice. Every point is compared only
    after a writer died at work; `tools.index verify` does it at any time.
    """
    findings = examine(warehouse, index, collection, deep=index.interrupted)
    for problem in findings.report().problems:
        logger.warning("index {} {}: {}; mending it", collection, index.manifest.version, problem)
    mend(findings, warehouse, index, collection, run)


def _is_seen(store: VectorStore, version: str) -> bool:
    """Return whether readers see this version, with all that is in it."""
    return seen(store) == version and not store.unpublished(version)


def _is_rolled_back(warehouse: Warehouse, store: VectorStore, collection: str, version: str) -> bool:
    """Return whether somebody has left this version for another one, so that no run may switch back to it."""
    active, history = seen(store), warehouse.activations(collection)
    if active == version or version not in rolled_back(history):
        return False
    if history[-1].version not in store.versions():  # it was in another store: here, readers would see nothing at all
        return False
    logger.warning(
        "collection {!r}: version {} was rolled back to {}; this run brings {} up to date and does not switch to it. "
        "`python -m tools.index activate {}` does",
        *(collection, version, active, version, version),
    )
    return True


def _hashes(states: Iterable[DocumentState]) -> dict[str, str]:
    return {state.document_id: state.content_hash for state in states}
