"""Remove documents from an embedded collection so that no byte of them stays.

The engine keeps deleted points in its files until it merges segments, so every folder is written anew, without them.
A kill at any moment leaves complete folders, old or new; the next purge goes on.
"""

import shutil
import time
from collections.abc import Collection
from itertools import islice
from pathlib import Path

from loguru import logger

from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.vector_stores.folders import (
    SEAL,
    copy_folder,
    fingerprint,
    remove_folder,
    replace_file,
    sync,
    sync_tree,
)
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held
from llm_engineering.infrastructure.vector_stores.qdrant_edge.index import EdgeIndex
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import (
    AT_WORK,
    CHANGED,
    PART,
    Layout,
    copy_number,
    copy_version,
    read_manifest,
)
from llm_engineering.infrastructure.vector_stores.qdrant_edge.spec import QdrantEdge

BATCH = 1_000
# How long to wait for those who read an old copy. Their process has to end if that is not enough.
PATIENCE_SECONDS = 10.0


def purge(layout: Layout, spec: QdrantEdge, lock: FileLock, run: int, document_ids: Collection[str]) -> int:
    """Write all versions and published copies anew, without the points of these documents; the writer's lock is held.

    Returns:
        How many points of the documents the versions had.

    Raises:
        BackendError: a reader did not let go of an old copy; everything else is done, and the call can be repeated.
    """
    gone = frozenset(document_ids)
    removed = 0
    for version in layout.versions():
        old = layout.version(version)
        removed += _rewrite(old, layout.moved(version), spec, lock, gone)
        remove_folder(old)
    kept = _publish_again(layout, spec, lock, run, gone)
    for folder in layout.root.glob("versions/*"):
        if folder not in {layout.version(version) for version in layout.versions()}:
            _remove(folder)
    for folder in layout.published.glob("*"):
        if folder not in kept:
            _wait_for_readers(folder)
            _remove(folder)
    return removed


def _publish_again(layout: Layout, spec: QdrantEdge, lock: FileLock, run: int, gone: frozenset[str]) -> set[Path]:
    """Write the copies that readers may still ask for anew, and return these new copies."""
    active, seen = layout.active_copy(), None
    kept = set()
    for old in _wanted(layout, active):
        version = copy_version(old)
        new, working = layout.next_copy(version), layout.version(version)
        if old == layout.copies(version)[-1] and working.exists() and not (working / CHANGED).exists():
            copy_folder(working, new, seal=True)
        else:
            _rewrite(old, new, spec, lock, gone, seal=True)
        if new.exists():
            kept.add(new)
            seen = new if old == active else seen
    if seen:
        layout.point_to(seen, run)
    return kept


def _wanted(layout: Layout, active: Path | None) -> list[Path]:
    """Return the published copies that have to be there: the active one and the last of each version, oldest first."""
    last_of_each = {copy_version(copy): copy for copy in layout.copies()}
    wanted = {copy for version, copy in last_of_each.items() if version in layout.versions()}
    return sorted(wanted | {copy for copy in layout.copies() if copy == active}, key=copy_number)


def _rewrite(
    old: Path, new: Path, spec: QdrantEdge, lock: FileLock, gone: frozenset[str], *, seal: bool = False
) -> int:
    """Write an index to a new folder, which appears complete or not at all, and return how many points it lost.

    A damaged one is left out: the next run builds it again from the warehouse.
    """
    part = new.with_name(new.name + PART)
    shutil.rmtree(part, ignore_errors=True)
    try:
        removed = _copy_points(old, part, spec, lock, gone)
    except BackendError as error:
        logger.warning("{}; it is removed, and the next run builds it again", error)
        shutil.rmtree(part, ignore_errors=True)
        return 0
    (part / AT_WORK).touch() if (old / AT_WORK).exists() else (part / AT_WORK).unlink(missing_ok=True)
    (part / CHANGED).touch() if (old / CHANGED).exists() else (part / CHANGED).unlink(missing_ok=True)
    if seal:
        (part / SEAL).write_text(fingerprint(part), encoding="ascii")
    sync_tree(part)
    part.rename(new)
    sync(new.parent)
    return removed


def _copy_points(old: Path, part: Path, spec: QdrantEdge, lock: FileLock, gone: frozenset[str]) -> int:
    manifest = read_manifest(old)
    source = EdgeIndex.load(old, manifest, spec)
    try:
        target = EdgeIndex.create(part, manifest, spec, lock)
        try:
            points = source.scan()
            seen = kept = 0
            while batch := list(islice(points, BATCH)):
                staying = [point for point in batch if point.payload.get("document_id") not in gone]
                if staying:
                    target.upsert(staying)
                seen, kept = seen + len(batch), kept + len(staying)
            target.optimize()
        finally:
            target.close()
    finally:
        source.close()
    replace_file(part / "manifest.json", manifest.model_dump_json(indent=2))
    return seen - kept


def _wait_for_readers(copy: Path) -> None:
    """Return when nobody reads a published copy any more."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while (copy / "readers.lock").exists():
        try:
            with FileLock(copy / "readers.lock"):
                return
        except Held as held:
            if time.monotonic() > give_up:
                raise BackendError(
                    f"a process still reads {copy}, an old copy of the index; end what searches this collection, and "
                    "run this again",
                    transient=True,
                ) from held
        time.sleep(0.1)


def _remove(folder: Path) -> None:
    """Remove a folder or file, and be sure of it."""
    if folder.is_dir():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
