"""Switch a model and its index version together, so that a kill at any point leaves both or neither."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from loguru import logger

from llm_engineering.application import versioning
from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import RegisteredModel, Switch
from llm_engineering.domain.ports import ModelRegistry, VectorStore, Warehouse


def switch(registry: ModelRegistry, warehouse: Warehouse, store: VectorStore | None, wanted: Switch) -> Switch:
    """Put a version into production, and let readers see the index version that goes with it.

    The index is switched first: readers find their model by it. Who is killed after that has his intent ended by the
    next one, who is killed before has it forgotten.

    Raises:
        UsageError: the index version is not there.
        BackendError: the store, the warehouse or the registry failed.
    """
    wanted = wanted.model_copy(update={"at": datetime.now(UTC).isoformat(timespec="microseconds")})
    if store is None or not wanted.index:
        registry.record(wanted)
        return wanted
    if wanted.index not in store.versions():
        raise UsageError(
            f"index version {wanted.index} of collection {wanted.collection!r} is no longer there; promote "
            f"{_named(wanted)} to build it anew"
        )
    registry.intend(wanted)
    failpoints.reach("promote.after_intent")
    if wanted.kind == "rollback":
        versioning.go_back(warehouse, store, wanted.collection, wanted.index, wanted.run)
    else:
        versioning.publish(warehouse, store, wanted.collection, wanted.index, wanted.run)
    failpoints.reach("promote.after_index")
    registry.record(wanted)
    failpoints.reach("promote.after_record")
    registry.forget_intent(wanted.name)
    return wanted


def settle(registry: ModelRegistry, seen: Callable[[Switch], str], is_over: Callable[[Switch], bool]) -> list[Switch]:
    """End the switches that somebody was killed in: those whose index is active are noted, the others forgotten.

    Args:
        registry: Where the intents are.
        seen: Returns the index version that readers of a switch's collection see.
        is_over: Whether whoever began a switch is gone.

    Returns:
        Those that were completed.
    """
    completed = []
    for intent in registry.intents():
        if not is_over(intent):
            continue
        if seen(intent) == intent.index:
            registry.record(intent)
            completed.append(intent)
            logger.warning("a {} of {} was killed half-way: it is completed", intent.kind, _named(intent))
        else:
            logger.warning(
                "a {} of {} was killed before its index was switched: it is undone", intent.kind, _named(intent)
            )
        registry.forget_intent(intent.name)
    return completed


def way_back(switches: Sequence[Switch], name: str) -> Switch:
    """Return the switch that leads back to what was in production before.

    Raises:
        UsageError: nothing was promoted, or all of it was rolled back.
    """
    path = _path(switches)
    if not path:
        raise UsageError(f"no version of model {name!r} is in production, so there is nothing to roll back")
    last = path[-1]
    return Switch(
        name=name,
        number=last.left,
        left=last.number,
        kind="rollback",
        collection=last.collection,
        index=last.index_left,
        index_left=last.index,
        load=last.load,
    )


def needed_versions(switches: Collection[Sequence[Switch]], collection: str) -> set[str]:
    """Return the index versions of a collection that models in production may be rolled back to."""
    paths = (_path(of_one) for of_one in switches)
    return {path[-1].index_left for path in paths if path and path[-1].collection == collection and path[-1].index_left}


def _path(switches: Sequence[Switch]) -> list[Switch]:
    """Return the promotions that led to what is in production: what was rolled back is not among them."""
    path: list[Switch] = []
    for one in switches:
        if one.kind == "rollback":
            path = path[:-1]
        else:
            path.append(one)
    return path


def promotion_of(model: RegisteredModel, left: RegisteredModel | None) -> Switch:
    """Return the switch that puts a version into production."""
    return Switch(name=model.name, number=model.number, left=left.number if left else 0)


def _named(one: Switch) -> str:
    return f"{one.name}@{one.number}" if one.number else f"{one.name!r} to the configured base model"
