"""The entity graph of an index version, brought into agreement with it."""

from collections.abc import Iterator

from loguru import logger

from llm_engineering.application.graph import build
from llm_engineering.application.graph.settings import EntityGraph
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureEngineeringConfig
from llm_engineering.domain.corpus import Count
from llm_engineering.domain.graphs import GraphManifest, GraphReport, Mention
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.ports import VectorIndex, Warehouse
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.graph_files import GraphFiles

# Raise this when the code finds other entities in the same text.
ENTITIES = 1
_BATCH = 500
_TOP = 20


def build_graph(plan: Plan, config: FeatureEngineeringConfig) -> GraphReport:
    """Build the graph of the planned index version, unless it is there already; only new chunks are read.

    Raises:
        BackendError: store, warehouse or disk failed.
    """
    settings = config.graph or EntityGraph()
    workspace, manifest = Workspace(), plan.manifest
    workspace.keep_alive(plan.run)
    files = GraphFiles(workspace.home, plan.collection, manifest.version)
    found_by = digest([ENTITIES, settings.model_dump(mode="json")])
    known = files.manifest()
    if known and (known.fingerprint, known.state, known.settings) == (manifest.fingerprint, plan.state, found_by):
        return _report(known, files, 0)
    with (
        workspace.warehouse() as warehouse,
        workspace.store(config.load, plan.run) as store,
        store.write(manifest) as index,
    ):
        before = files.mentions(known) if known and known.settings == found_by else iter(())
        mentions, read = _mentions(plan, before, settings, warehouse, index)
        files.prune({*store.versions(), manifest.version})
    graph = build(mentions, settings)
    kinds = [relation.kind for relation in graph.relations]
    made = GraphManifest(
        collection=plan.collection,
        version=manifest.version,
        fingerprint=manifest.fingerprint,
        state=plan.state,
        settings=found_by,
        folder=digest([plan.state, found_by])[:12],
        chunks=len(mentions),
        documents=len({mention.document_id for mention in mentions}),
        entities=len(graph.entities),
        relations=kinds.count("together"),
        links=kinds.count("link"),
    )
    files.write(made, mentions, graph.entities, graph.relations)
    report = _report(made, files, read)
    logger.info("graph: {} entities, {} relations, {} links", report.entities, report.relations, report.links)
    return report


def _mentions(
    plan: Plan, before: Iterator[Mention], settings: EntityGraph, warehouse: Warehouse, index: VectorIndex
) -> tuple[list[Mention], int]:
    """Return what each chunk of the version mentions, ordered by id, and how many chunks were read for that.

    A chunk's id says what stands in it, so what is known of it stays true.
    """
    ids = {one.chunk_id for one in warehouse.indexed_chunks(plan.collection, plan.manifest.version)}
    mentions = {mention.chunk_id: mention for mention in before if mention.chunk_id in ids}
    missing = sorted(ids - mentions.keys())
    for start in range(0, len(missing), _BATCH):
        for key, point in index.get(missing[start : start + _BATCH]).items():
            mentions[key] = settings.read(key, point.payload)
    return [mentions[key] for key in sorted(mentions)], len(missing)


def _report(manifest: GraphManifest, files: GraphFiles, read: int) -> GraphReport:
    top = sorted(files.entities(manifest), key=lambda entity: (-entity.chunks, entity.key))[:_TOP] if read else []
    return GraphReport(
        collection=manifest.collection,
        version=manifest.version,
        chunks=manifest.chunks,
        read=read,
        entities=manifest.entities,
        relations=manifest.relations,
        links=manifest.links,
        folder=str(files.folder / manifest.folder),
        top=tuple(Count(name=entity.name, count=entity.chunks) for entity in top),
    )
