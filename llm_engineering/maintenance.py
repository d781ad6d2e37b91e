"""Look after the index versions of a collection: verify, repair, list, activate, roll back.

Each of these is a run with a number of its own, and has the collection for itself while it works; searches go on.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from llm_engineering import bootstrap, plain, stages
from llm_engineering.application import planning, verification, versioning
from llm_engineering.application.verification import Findings
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.duplicates import left_out, settings_of
from llm_engineering.config import FeatureConfig, FeatureEngineeringConfig
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.index_reports import Problem, VerifyReport
from llm_engineering.domain.indexes import IndexManifest, VersionSummary
from llm_engineering.domain.ports import VectorIndex, VectorStore, Warehouse
from llm_engineering.domain.reports import RepairReport, Report


def verify(config: FeatureConfig, version: str | None = None) -> VerifyReport:
    """Compare warehouse, ledger and store of a version (the active one), point by point; nothing is changed.

    Of the active version the published copy is compared as well: it is what readers see.

    Raises:
        UsageError: there is no such version, none is active, or it holds sources that the configuration does not name.
        BackendError: another run works on the collection, or warehouse or store failed.
    """
    started = perf_counter()
    with _run("index verify", config) as run, _opened(config, run) as (warehouse, store):
        manifest = _manifest(warehouse, store, config.load.collection, version)
        _refuse_other_sources(warehouse, manifest, config)
        with store.write(manifest) as index:
            findings = _examine(warehouse, index, config)
        problems = [*findings.report().problems, *_published_problems(warehouse, store, manifest, config)]
        report = findings.report().model_copy(
            update={
                "collection": config.load.collection,
                "version": manifest.version,
                "problems": tuple(problems),
                "seconds": round(perf_counter() - started, 3),
            }
        )
        _close(warehouse, Report(pipeline="index verify", run=run, index_version=manifest.version))
    return report


def repair(config: FeatureConfig, version: str | None = None) -> RepairReport:
    """Mend exactly what is wrong with a version (the active one). What has a vector is not embedded again.

    The version is made whole with the settings that it was built with, whatever the configuration says by now.

    Raises:
        UsageError: there is no such version, it holds sources that the configuration does not name, or this code would
            make something else of its settings.
        BackendError: another run works on the collection, or warehouse or store failed.
        GateFailed: the version is still not whole; what was active stays active.
    """
    with _run("index repair", config) as run:
        with _opened(config, run) as (warehouse, store):
            manifest = _manifest(warehouse, store, config.load.collection, version)
            _refuse_other_sources(warehouse, manifest, config)
            made_with = _configuration_of(manifest, config)
            serves = versioning.seen(store) in ("", manifest.version)
            damaged_copy = _published_problems(warehouse, store, manifest, config) if serves else []

            def mended(index: VectorIndex) -> Findings:
                found = _examine(warehouse, index, config)
                verification.mend(found, warehouse, index, config.load.collection, run)
                return found

            findings = verification.with_writer(store, manifest, mended)
        plan, documents = stages.plan(made_with, _sources(config), run)
        plan = plan.model_copy(
            update={"serves": serves, "activates": serves and (plan.activates or bool(damaged_copy))}
        )
        loaded = plain.make_features(made_with, plan, documents)
        verified = stages.verify(plan, made_with.load)
        stages.activate(plan, verified, made_with.load)
        report = stages.report("index repair", run, plan=plan, loaded=loaded, verified=verified)
    return RepairReport(found=(*findings.report().problems, *damaged_copy), after=verified, done=report)


def versions(config: FeatureConfig) -> list[VersionSummary]:
    """Return the versions of the collection, oldest first: what they are made of, what they hold, which is active."""
    workspace = Workspace()
    collection = config.load.collection
    with workspace.warehouse() as warehouse, workspace.store(config.load) as store:
        active, stored = versioning.seen(store), store.versions()
        registered = {record.manifest.version: record for _, record in warehouse.index_records(collection)}
        since = {activation.version: activation.at for activation in warehouse.activations(collection)}
        names = [*registered, *(name for name in stored if name not in registered)]
        return [
            VersionSummary.of(
                registered.get(name), stored.get(name), active=name == active, activated_at=since.get(name, "")
            )
            for name in names
        ]


def activate(config: FeatureConfig, version: str) -> Report:
    """Let readers see a version as it was last published.

    Raises:
        UsageError: there is no such version, or it was never published.
    """
    with _run("index activate", config) as run, _opened(config, run) as (warehouse, store):
        versioning.activate(warehouse, store, config.load.collection, version, run)
        return _close(warehouse, Report(pipeline="index activate", run=run, index_version=version))


def rollback(config: FeatureConfig) -> Report:
    """Let readers see again what they saw before the last switch.

    Raises:
        UsageError: there is no earlier version to go back to.
    """
    with _run("index rollback", config) as run, _opened(config, run) as (warehouse, store):
        version = versioning.rollback(warehouse, store, config.load.collection, run)
        return _close(warehouse, Report(pipeline="index rollback", run=run, index_version=version))


@contextmanager
def _run(name: str, config: FeatureConfig) -> Iterator[int]:
    collection = config.load.collection
    with stages.run_of(name, {"collection": collection}, [f"collection {collection}"]) as run:
        yield run


@contextmanager
def _opened(config: FeatureConfig, run: int) -> Iterator[tuple[Warehouse, VectorStore]]:
    workspace = Workspace()
    with workspace.warehouse() as warehouse, workspace.store(config.load, run) as store:
        yield warehouse, store


def _close(warehouse: Warehouse, report: Report) -> Report:
    Workspace().close_run(warehouse, report.run, "completed", report.model_dump(mode="json"))
    return report


def _manifest(warehouse: Warehouse, store: VectorStore, collection: str, version: str | None) -> IndexManifest:
    """Return the manifest of a version as the warehouse has it: the store's may be what is damaged."""
    registered = {record.manifest.version: record.manifest for _, record in warehouse.index_records(collection)}
    name = version or versioning.seen(store) or _last_active(warehouse, collection)
    if not name:
        raise UsageError(f"collection {collection!r} has no active version; run the feature pipeline first")
    if name not in registered:
        known = ", ".join(registered) or "none yet"
        advice = "" if version else "; run the feature pipeline, which builds the next one"
        raise UsageError(
            f"the warehouse knows no version {name!r} of collection {collection!r}; it knows: {known}{advice}"
        )
    return registered[name]


def _last_active(warehouse: Warehouse, collection: str) -> str:
    history = warehouse.activations(collection)
    return history[-1].version if history else ""


def _sources(config: FeatureConfig) -> Sequence[str] | None:
    return config.source_names if config.names_sources else None


def _refuse_other_sources(warehouse: Warehouse, manifest: IndexManifest, config: FeatureConfig) -> None:
    """Refuse the configuration of another index: what this one holds besides is no damage, and not to be removed."""
    sources, collection = _sources(config), config.load.collection
    held = {state.document_id for state in warehouse.indexed(collection, manifest.version)}
    if others := planning.unnamed(warehouse, held - {state.document_id for state in warehouse.live(sources)}, sources):
        raise UsageError(
            f"version {manifest.version!r} of collection {collection!r} holds documents of "
            f"{', '.join(sorted(others))}, which the configuration does not name. Give the one that the index is made "
            "with (--config); if they are meant to be gone, run the feature pipeline, which takes them out"
        )


def _examine(warehouse: Warehouse, index: VectorIndex, config: FeatureConfig) -> Findings:
    """Compare a version with its ledger, and that with the documents that it is to hold."""
    collection, sources = config.load.collection, _sources(config)
    findings = verification.examine(warehouse, index, collection, deep=True)
    out = left_out(index.manifest, Workspace().home, collection, sources, warehouse)
    verification.compare_with_warehouse(findings, warehouse, index.manifest, collection, sources, out)
    return findings


def _published_problems(
    warehouse: Warehouse, store: VectorStore, manifest: IndexManifest, config: FeatureConfig
) -> list[Problem]:
    """Return what is wrong with what readers see, if they are to see this version."""
    if versioning.seen(store) not in ("", manifest.version):
        return []
    if store.unpublished(manifest.version):
        what = "version has changes that readers do not see yet"
        return [
            Problem(kind="unpublished_changes", count=1, what=what, examples=(manifest.version,), where="published")
        ]
    if store.intact():
        return []  # the same bytes as when they were compared and published
    try:
        with store.read() as index:
            found = verification.examine(warehouse, index, config.load.collection, deep=True).report().problems
    except (BackendError, UsageError) as error:
        return [Problem(kind="unreadable", count=1, what=f"published copy cannot be read: {error}", where="published")]
    return [problem.model_copy(update={"where": "published"}) for problem in found]


def _configuration_of(manifest: IndexManifest, config: FeatureConfig) -> FeatureEngineeringConfig:
    """Return the configuration that makes this version again.

    Raises:
        UsageError: this code, or the model's files, would make another one.
    """
    settings = {name: manifest.settings[name] for name in ("cleaning", "chunking", "tokenizing", "embedding")}
    load = config.load.model_copy(update={"payload_indexes": manifest.payload_indexes})
    settings["duplicates"] = settings_of(manifest).model_dump(mode="json")
    made_with = FeatureEngineeringConfig.model_validate({**settings, "load": load.model_dump(mode="json")})
    made_with = made_with.model_copy(update={"select": config.select, "limits": config.limits})
    if bootstrap.manifest_of(made_with, Workspace().home).fingerprint != manifest.fingerprint:
        raise UsageError(
            f"version {manifest.version!r} of collection {config.load.collection!r} was built by another version of "
            "this code, or with other files of its model, and cannot be made again as it was; run the feature pipeline "
            "to build the next version"
        )
    return made_with
