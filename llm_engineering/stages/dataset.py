"""The corpus into a data set: collect questions, mine passages, keep the rows."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.application.datasets import leaks, make
from llm_engineering.application.datasets.corpus import Corpus, corpus_of
from llm_engineering.application.datasets.material import Material
from llm_engineering.application.datasets.mining import Searcher, plain
from llm_engineering.application.datasets.questions import Questions
from llm_engineering.application.datasets.writing import Writing
from llm_engineering.application.evaluation import Searching, relevant_documents
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.bootstrap.training import asked_of, embedder_of, splitter_of, writer_of, writing_estimate
from llm_engineering.config import DatasetConfig
from llm_engineering.domain.datasets import (
    AskedQuestion,
    DatasetCard,
    DatasetMining,
    DatasetPlan,
    RetrievalPair,
    Split,
    WritingEstimate,
    documents_of,
)
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.llms import Usage
from llm_engineering.domain.ports import Dataset, VectorIndex, Warehouse
from llm_engineering.domain.reports import DatasetReport
from llm_engineering.domain.value import identity
from llm_engineering.stages.dataset_cards import account_of

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset

KIND = "dataset"  # of the derivative that the warehouse knows a version by


def collect_questions(config: DatasetConfig, run: int) -> "tuple[DatasetPlan, ParquetDataset[AskedQuestion]]":
    """Collect questions of all kinds, with the documents of the active index version that answer them.

    Raises:
        UsageError: there is no index, a file of questions cannot be read, the documents are of several tenants.
        BackendError: what a model wrote cannot be kept.
    """
    workspace = Workspace()
    workspace.keep_alive(run)
    with _index(config, workspace) as index, workspace.warehouse() as warehouse:
        corpus = corpus_of(index.scan(), config.dataset.tenants)
        material = _material(config, workspace, warehouse, index.manifest, corpus)
        asked = [one for pairs in config.dataset.pairs for one in pairs.asked(material)]
    if not asked:
        why = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in sorted(material.dropped.items()))
        raise UsageError(
            f"no question is left to learn from ({why or 'there are none'}); name questions whose documents are in the "
            "index, or documents with titles and headings, in dataset.pairs"
        )
    usage = sum((written.usage for written in material.written), Usage())
    plan = DatasetPlan(
        run=run,
        collection=config.load.collection,
        version=index.manifest.version,
        fingerprint=index.manifest.fingerprint,
        questions=dict(sorted(Counter(one.origin for one in asked).items())),
        dropped=dict(sorted(material.dropped.items())),
        usage=usage,
        resumed=sum(written.resumed for written in material.written),
        unasked=sum(written.unasked for written in material.written),
        stopped=next((written.stopped for written in material.written if written.stopped), ""),
        failures=tuple(failure for written in material.written for failure in written.failures),
    )
    return plan, workspace.spool(asked, AskedQuestion)


def mine_pairs(
    config: DatasetConfig, plan: DatasetPlan, asked: Dataset[AskedQuestion]
) -> "tuple[DatasetMining, ParquetDataset[RetrievalPair]]":
    """Give each question its passages: those that answer it, and those that only look alike; divide all into splits.

    Raises:
        UsageError: no question is left, or the index is another one by now.
    """
    workspace = Workspace()
    workspace.keep_alive(plan.run)
    with _index(config, workspace) as index:
        _check_same(plan, index.manifest)
        corpus = corpus_of(index.scan(), config.dataset.tenants)
        embedder = embedder_of(config, index.manifest, workspace)
        searching = Searching(index, embedder, splitter_of(index.manifest))
        searcher = Searcher(corpus, searching, plain(config.retrieval))
        rows, dropped = make(list(asked), searcher, config.dataset, workspace.progress)
    if found := leaks(rows, config.dataset.duplicates.questions, config.dataset.duplicates.passages):
        raise BackendError(f"the splits are not apart, which is a mistake in this program: {'; '.join(found[:5])}")
    for split in (Split.TRAIN, Split.TEST):
        if not any(row.split == split for row in rows):
            logger.warning("no row is in split {}: there are few clusters of documents; see dataset.shares", split)
    mean = sum(len(row.negatives) for row in rows) / len(rows)
    mining = DatasetMining(dropped=dict(sorted(dropped.items())), negatives=round(mean, 3))
    return mining, workspace.spool(rows, RetrievalPair)


def keep_dataset(
    config: DatasetConfig, plan: DatasetPlan, mining: DatasetMining, pairs: Dataset[RetrievalPair]
) -> tuple[DatasetCard, DatasetReport]:
    """Keep the rows as a version, with their card, and note from which documents they were made.

    Raises:
        BackendError: it cannot be written.
    """
    workspace = Workspace()
    workspace.keep_alive(plan.run)
    store = open_datasets(workspace)
    with workspace.warehouse() as warehouse:
        card = store.write(_card(config, plan, mining, pairs, warehouse), pairs)
        place = str(store.place(card))
        made = Derivative(id=identity(KIND, place), kind=KIND, name=card.reference, place=place, run=plan.run)
        warehouse.record_derivative(made, documents_of(pairs))
    logger.info("data set {} in {}", card.reference, place)
    return card, account_of(card, plan, mining.negatives)


def estimate_dataset(config: DatasetConfig) -> list[WritingEstimate]:
    """Return what models would be asked to make this data set. Nothing is asked, and nothing is written.

    Raises:
        UsageError: there is no index, or no such model.
    """
    sections = [pairs for pairs in config.dataset.pairs if isinstance(pairs, Writing)]
    if not sections:
        return []
    workspace = Workspace()
    with _index(config, workspace) as index:
        corpus = corpus_of(index.scan(), config.dataset.tenants)
    return [writing_estimate(section, corpus.passages, config.llms, workspace) for section in sections]


def _card(
    config: DatasetConfig,
    plan: DatasetPlan,
    mining: DatasetMining,
    pairs: Dataset[RetrievalPair],
    warehouse: Warehouse,
) -> DatasetCard:
    settings = config.dataset
    dropped = Counter(plan.dropped) + Counter(mining.dropped)
    return DatasetCard(
        name=settings.name,
        version="",
        digest="",
        dropped=dict(sorted(dropped.items())),
        sources=tuple(sorted({row.source for row in pairs})),
        index={"collection": plan.collection, "version": plan.version, "fingerprint": plan.fingerprint},
        settings=settings.model_dump(mode="json", exclude={"name", "licence", "users"}) | {"inputs": _inputs(config)},
        licence=settings.licence,
        users=settings.users or tuple(name for name in settings.tenants or () if name),
        cost=plan.usage.cost or 0.0,
        run=plan.run,
        created_at=str(warehouse.run_record(plan.run)["started_at"]),
    )


def _inputs(config: DatasetConfig) -> dict[str, str]:
    """Return what the questions came from, each with its SHA-256: files, and the prompt of a model."""
    found: dict[str, str] = {}
    for pairs in config.dataset.pairs:
        if isinstance(pairs, Questions):
            found[str(pairs.file)] = _sha256(pairs.file)
        if isinstance(pairs, Writing):
            prompt = pairs.open_prompt()
            found[f"prompt {prompt.name}"] = prompt.digest
    return found


def _sha256(path: Path) -> str:
    try:
        return sha256(path.expanduser().read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{path} can no longer be read ({error}); run again") from error


def _material(
    config: DatasetConfig, workspace: Workspace, warehouse: Warehouse, manifest: IndexManifest, corpus: Corpus
) -> Material:
    places = list(warehouse.indexed_places(config.load.collection, manifest.version))
    return Material(
        corpus,
        read=lambda questions: asked_of(questions, config.dataset.splits),
        relevant=lambda questions: relevant_documents(questions, places),
        write=writer_of(config.llms, workspace),
    )


def _check_same(plan: DatasetPlan, manifest: IndexManifest) -> None:
    if (manifest.version, manifest.fingerprint) != (plan.version, plan.fingerprint):
        raise UsageError(
            f"readers of collection {plan.collection} see version {manifest.version} by now, and the questions were "
            f"collected for {plan.version}; run again"
        )


@contextmanager
def _index(config: DatasetConfig, workspace: Workspace) -> Iterator[VectorIndex]:
    with workspace.store(config.load) as store, store.read() as index:
        yield index
