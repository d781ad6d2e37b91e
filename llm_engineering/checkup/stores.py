"""The stores: the warehouse and its runs, the vector store, and the index that searches see."""

from pathlib import Path

from llm_engineering.checkup.models import is_here
from llm_engineering.checkup.subject import Subject
from llm_engineering.domain.checkup import Check, broken, fine, missing, optional
from llm_engineering.domain.errors import BackendError, LLMEngineeringError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.infrastructure.vector_stores import EngineSpec, Memory, Qdrant, QdrantEdge, VectorStoreSpec
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import Layout, read_manifest

IMPATIENT = {"timeout_seconds": 3, "patience_seconds": 0.0}
RUN = "poetry poe run-feature-pipeline"
_URL = "export LLM_ENGINEERING_WAREHOUSE_URL=postgresql://user:password@host/database"


def warehouse(subject: Subject) -> Check:
    """Look whether the warehouse can be reached and is at the version of this code."""
    from llm_engineering.infrastructure.warehouse.condition import condition_of

    try:
        found = condition_of(subject.warehouse_url, subject.settings.lease_seconds)
    except (UsageError, BackendError) as error:
        return broken("warehouse", str(error), _URL if subject.settings.warehouse_url else "")
    if not found.revision:
        return optional("warehouse", f"{found.place} has no warehouse yet; the first run creates it", RUN)
    if found.revision < found.head:
        said = f"{found.place} is at version {found.revision}; the next run migrates it to {found.head}"
        return optional("warehouse", said, RUN)
    if found.revision > found.head:
        said = f"{found.place} is at version {found.revision}, and this code knows {found.head}: a newer one wrote it"
        return broken("warehouse", said, "git pull && poetry install")
    return fine("warehouse", f"{found.place}, version {found.revision}")


def runs(subject: Subject) -> Check:
    """Look for runs that died, and for locks that they left."""
    from llm_engineering.infrastructure.warehouse.condition import condition_of

    try:
        found = condition_of(subject.warehouse_url, subject.settings.lease_seconds)
    except (UsageError, BackendError):
        return optional("runs", "not looked at: the warehouse cannot be reached")
    if found.dead:
        return broken("runs", f"died without closing: {'; '.join(found.dead)}; the next run goes on there", RUN)
    if found.stray:
        return broken("runs", f"held by runs that are over: {', '.join(found.stray)}", RUN)
    writers = "; ".join(_writers(subject.home / "feature_store"))
    at_work = "; ".join(filter(None, [*found.at_work, writers]))
    return fine("runs", f"at work: {at_work}" if at_work else "none died, none is at work")


def vector_store(subject: Subject) -> Check:
    """Look whether the vector store can be reached."""
    spec = _spec(subject)
    if isinstance(spec, Memory):
        return optional("vector store", "kept in memory; it is gone when the process ends")
    if isinstance(spec, QdrantEdge):
        folder = subject.home / "feature_store"
        if not folder.exists():
            return optional("vector store", f"{folder} is not there yet; the first run creates it", RUN)
        return fine("vector store", f"Qdrant Edge in {folder}")
    engine = spec if isinstance(spec, EngineSpec) else None
    advice = engine.advice() if engine else "export LLM_ENGINEERING_QDRANT_URL=http://host:6333"
    try:
        _hurried(spec, subject)
    except LLMEngineeringError as error:
        return broken("vector store", str(error), advice)
    url = spec.url if isinstance(spec, Qdrant) else ""
    place = engine.place(subject.home) if engine else f"Qdrant at {url or subject.settings.qdrant_url}"
    return fine("vector store", place)


def index(subject: Subject) -> Check:
    """Look whether searches see an index, and whether it was made with the configured model."""
    collection = subject.config.load.collection
    try:
        active = _active(subject)
    except LLMEngineeringError as error:
        return broken("index", str(error), "python -m tools.index verify")
    if active is None:
        return _none_active(subject, collection)
    said = f"collection {collection!r}, version {active.version}, of model {active.model.name}"
    if is_here(subject):
        card = subject.config.embedding.card(subject.home)
        if card.digest != active.model.digest:
            return broken("index", f"{said}, not of {card.name} as configured; the next run builds another", RUN)
    return fine("index", said)


def _none_active(subject: Subject, collection: str) -> Check:
    from llm_engineering.infrastructure.warehouse.condition import condition_of

    said = f"collection {collection!r} has no active version"
    try:
        has_documents = condition_of(subject.warehouse_url, subject.settings.lease_seconds).has_documents
    except LLMEngineeringError:
        has_documents = False
    if has_documents:
        return missing("index", f"{said}, and the warehouse has documents", RUN)
    return optional("index", f"{said} yet; the first run makes one", RUN)


def _active(subject: Subject) -> IndexManifest | None:
    """Return the manifest of the version that readers see, without opening the engine."""
    spec = _spec(subject)
    if isinstance(spec, Memory):
        return None
    if isinstance(spec, Qdrant | EngineSpec):
        return _hurried(spec, subject)
    copy = Layout(subject.home / "feature_store" / subject.config.load.collection).active_copy()
    return read_manifest(copy) if copy else None


def _hurried(spec: Qdrant | EngineSpec, subject: Subject) -> IndexManifest | None:
    """Ask a store for the version that readers see, and do not wait for a server that is away."""
    soon = spec.hurried() if isinstance(spec, EngineSpec) else spec.model_copy(update=IMPATIENT)
    store = soon.open(subject.home, subject.config.load.collection)
    try:
        return store.active()
    finally:
        store.close()


def _spec(subject: Subject) -> VectorStoreSpec:
    if subject.config.load.store is not None:
        return subject.config.load.store
    url = subject.settings.qdrant_url
    return Qdrant(url=url) if url else QdrantEdge()


def _writers(folder: Path) -> list[str]:
    """Return who is writing to an embedded collection. A shared lock is not signed, so that nothing changes."""
    found = []
    for path in sorted(folder.glob("*/writer.lock")):
        try:
            with FileLock(path, shared=True):
                continue
        except Held as held:
            found.append(f"{held} writes to collection {path.parent.name!r}")
    return found
