"""Switch readers between index versions, switch back, and drop the versions that nobody needs any more."""

from collections.abc import Collection, Sequence

from loguru import logger

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import Activation
from llm_engineering.domain.ports import VectorStore, Warehouse


def publish(warehouse: Warehouse, store: VectorStore, collection: str, version: str, run: int) -> None:
    """Let readers see a version as it is now, and note it if they saw another one before."""
    store.publish(version)
    failpoints.reach("publish.before_record")
    note(warehouse, store, collection, run)
    failpoints.reach("publish.after_record")


def note(warehouse: Warehouse, store: VectorStore, collection: str, run: int) -> None:
    """Note what readers see, if the last note says something else: who switched may have been killed before his."""
    active = seen(store)
    history = warehouse.activations(collection)
    left = history[-1].version if history else ""
    if active and active != left:
        warehouse.record_activation(Activation(collection=collection, version=active, kind="run", left=left, run=run))


def activate(warehouse: Warehouse, store: VectorStore, collection: str, version: str, run: int) -> None:
    """Let readers see a version as it was last published.

    Raises:
        UsageError: it was never published.
    """
    _switch(warehouse, store, collection, version, run, kind="activate")


def rollback(warehouse: Warehouse, store: VectorStore, collection: str, run: int) -> str:
    """Let readers see again what they saw before the last switch, and return that version.

    Runs keep the version that was left up to date, but do not switch back to it: somebody has to activate it.

    Raises:
        UsageError: there is no earlier version, or it was dropped.
    """
    active = seen(store)
    there = store.versions()
    targets = [version for version in reversed(_path(warehouse.activations(collection))) if version != active]
    targets = [version for version in targets if version in there]
    if not targets:
        kept = ", ".join(name for name in sorted(there) if name != active) or "none"
        raise UsageError(
            f"collection {collection!r} has no earlier version to go back to; versions beside the active one: {kept} "
            "(`python -m tools.index activate VERSION` switches to any of them)"
        )
    go_back(warehouse, store, collection, targets[0], run)
    return targets[0]


def go_back(warehouse: Warehouse, store: VectorStore, collection: str, version: str, run: int) -> None:
    """Let readers see a former version again. No run switches back to the one that was left.

    Raises:
        UsageError: it was never published.
    """
    _switch(warehouse, store, collection, version, run, kind="rollback")


def prune(
    warehouse: Warehouse, store: VectorStore, collection: str, keep: int, run: int = 0, needed: Collection[str] = ()
) -> list[str]:
    """Drop all versions but the active one and the `keep` that were active, or else registered, last; return them.

    What is `needed` stays as well: the version that goes with the model that may be rolled back to.
    """
    active = seen(store)
    switched = [activation.version for activation in reversed(warehouse.activations(collection))]
    registered = [record.manifest.version for _, record in reversed(warehouse.index_records(collection))]
    there = {*registered, *store.versions()}
    in_order = dict.fromkeys([*switched, *registered, *sorted(there)])
    dropped = [version for version in in_order if version in there and version != active][keep:]
    for version in (name for name in dropped if name not in needed):
        logger.info("collection {!r}: dropping version {}", collection, version)
        store.drop(version)
        failpoints.reach("prune.after_drop")
        warehouse.drop_index(collection, version, run)
    return [version for version in dropped if version not in needed]


def _switch(warehouse: Warehouse, store: VectorStore, collection: str, version: str, run: int, *, kind: str) -> None:
    left = seen(store)
    store.activate(version)
    warehouse.record_activation(Activation(collection=collection, version=version, kind=kind, left=left, run=run))


def seen(store: VectorStore) -> str:
    """Return the version that readers see, or an empty text if there is none that they can open."""
    try:
        active = store.active()
    except BackendError as error:
        logger.warning("{}", error)
        return ""
    return active.version if active else ""


def rolled_back(history: Sequence[Activation]) -> set[str]:
    """Return the versions that were left by a rollback and not activated since; the next new version ends that."""
    left: set[str] = set()
    for activation in history:
        if activation.kind == "run":
            left = set()
        if activation.kind == "rollback":
            left.add(activation.left)
        left.discard(activation.version)
    return left


def _path(history: Sequence[Activation]) -> list[str]:
    """Return the versions that led to the active one, oldest first: what was rolled back is not among them."""
    path: list[str] = []
    for activation in history:
        if activation.kind == "rollback" and activation.version in path:
            while path[-1] != activation.version:
                path.pop()
        else:
            path.append(activation.version)
    return path
