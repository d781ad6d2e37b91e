"""Forget a document, a user or a source: everywhere in the home, for good, and so that it does not come back.

The order makes a kill harmless: look, write down what was found, remember that it must not come back, empty every
other place, and the warehouse, which knows what belongs together, last. Then the databases are rewritten.
"""

from collections.abc import Iterable, Sequence

from llm_engineering import stages
from llm_engineering.application import erasure
from llm_engineering.application.erasure import Belongings
from llm_engineering.bootstrap import Workspace
from llm_engineering.domain.erasure import ErasureReport, Found, Target
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.traces import Traces
from llm_engineering.infrastructure.traces import Place, places_in
from llm_engineering.infrastructure.traces.collections import collections_of, stores_of
from llm_engineering.infrastructure.traces.elsewhere import beyond_reach
from llm_engineering.infrastructure.traces.journal import Journal
from llm_engineering.infrastructure.traces.leftovers import others_in
from llm_engineering.infrastructure.traces.spellings import uris_meant

PIPELINE = "forget"
# Where what is found goes, and is not to be listed among that which is still there.
GOING = ("exports in the home", "data sets")
_STRAY = "the file {path} in the home mentions it, and is not this project's: see to it yourself"


def forget(target: Target, *, dry_run: bool = False) -> ErasureReport:
    """Remove everything that belongs to a target, and return the account; or only say what would go.

    Raises:
        UsageError: nobody knows the target; the message says what is near.
        BackendError: a run holds one of its sources or a collection, or something could not be removed. What was
            done stays done, and the same call goes on from there.
    """
    workspace = Workspace()
    with workspace.warehouse() as warehouse:
        target = _resolved(target, warehouse)
        journal = Journal(workspace.home, target)
        found = erasure.belongings(warehouse, target)
        if not (erasure.is_known(warehouse, found) or journal.read()):
            raise erasure.unknown(warehouse, target)
        if dry_run:
            return _survey(workspace, warehouse, found, journal)[1].model_copy(update={"dry_run": True})
        collections = collections_of(workspace.home, warehouse)
    holds = [*(f"source {name}" for name in found.sources), *(f"collection {name}" for name in collections)]
    config = {"target": target.kind, "digest": target.digest}
    with stages.run_of(PIPELINE, config, sorted(holds)) as run, workspace.warehouse() as warehouse:
        report = _erase(workspace, warehouse, target, run, collections)
        account = report.model_dump(
            mode="json", exclude={"target": True, "twins": True, "found": {"__all__": {"items"}}}
        )
        workspace.close_run(warehouse, run, "completed", account)
    with workspace.warehouse() as warehouse:
        warehouse.compact()
    journal.remove()
    return report


def _resolved(target: Target, warehouse: Warehouse) -> Target:
    """Return the target by the URI that the warehouse knows, where a path or another spelling was given."""
    if target.kind != "uri":
        return target
    forgotten = warehouse.forgotten()
    known = set(warehouse.known_names("uri"))
    for uri in uris_meant(target.name):
        meant = target.model_copy(update={"name": uri})
        if uri in known or meant.digest in forgotten:
            return meant
    return target


def _erase(
    workspace: Workspace, warehouse: Warehouse, target: Target, run: int, collections: Sequence[str]
) -> ErasureReport:
    if at_work := warehouse.at_work(besides=run):
        runs = ", ".join(map(str, at_work))
        raise BackendError(f"an erasure works alone, and these runs are at work: {runs}; wait for them", transient=True)
    journal = Journal(workspace.home, target)
    traces, report = _survey(workspace, warehouse, erasure.belongings(warehouse, target), journal)
    journal.write(traces, report.found)
    warehouse.remember_forgotten(traces.digests, run)
    items = {item.place: frozenset(item.items) for item in report.found}
    for place in places_in(workspace.home, warehouse):
        warehouse.beat(run)
        place.remove(items[place.place], traces)
    points = 0
    for collection in collections:
        warehouse.beat(run)
        for store in stores_of(workspace.home, collection, run):
            points += store.purge(traces.document_ids)
            store.close()
    rows = warehouse.erase(traces, run)
    removed = [Found(place="feature store", what="points; all collections written anew", count=points)]
    removed += [Found(place="warehouse", what=f"rows of {table}", count=count) for table, count in rows.items()]
    return report.model_copy(update={"run": run, "found": (*report.found, *removed)})


def _survey(
    workspace: Workspace, warehouse: Warehouse, found: Belongings, journal: Journal
) -> tuple[Traces, ErasureReport]:
    """Look into all places, and add what an erasure that was not completed had found there."""
    before = journal.read()
    traces = found.traces | before[0] if before else found.traces
    places = places_in(workspace.home, warehouse)
    seen = [_together(place, traces, before[1] if before else ()) for place in places]
    gone = {item for finding in seen if finding.place in GOING for item in finding.items}
    made_of_it = warehouse.derivatives_of(traces.document_ids)
    going = [made for made in made_of_it if gone & {made.id, made.name}]
    report = ErasureReport(
        run=0,
        target=traces.target,
        documents=len(traces.document_ids),
        found=tuple(seen),
        derivatives=tuple(made for made in made_of_it if made not in going),
        twins=tuple(sorted({twin.uri for twin in found.twins})),
        notes=(
            *beyond_reach(workspace.home),
            *(_STRAY.format(path=path) for path in others_in(workspace.home, traces, going)),
        ),
    )
    return traces, report


def _together(place: Place, traces: Traces, before: Iterable[Found]) -> Found:
    found = place.find(traces)
    earlier = (item for finding in before if finding.place == place.place for item in finding.items)
    return found.with_items([*found.items, *earlier])
