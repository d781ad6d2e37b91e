"""Tune the search: the questions of a data set, asked of the active index, into settings for section `retrieval`."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache, partial
from itertools import islice
from pathlib import Path

from pydantic import TypeAdapter

from llm_engineering.application import attempts, features
from llm_engineering.application.chunking import Chunker
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.evaluation import Searching
from llm_engineering.application.retrieval import Reranking
from llm_engineering.application.retrieval.candidates import fitting
from llm_engineering.application.retrieval.remembering import Remembering
from llm_engineering.application.text import Tokenizing
from llm_engineering.application.tuning import Tuned, tune, tuning_questions
from llm_engineering.bootstrap import Workspace, bound_chunker, open_datasets
from llm_engineering.bootstrap.registered import fitting_spec
from llm_engineering.config import FeatureEngineeringConfig, TrainingConfig
from llm_engineering.domain.chunks import Chunk, Point
from llm_engineering.domain.datasets import DatasetCard, RetrievalPair, Split
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.models import RegisteredModel, TrainingRecord
from llm_engineering.domain.ports import Embedder, VectorIndex
from llm_engineering.domain.tuning import TuningSettings
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.vector_stores import QdrantEdge

BATCH = 1_000


def tune_retrieval(
    config: FeatureEngineeringConfig | TrainingConfig, dataset: str, settings: TuningSettings, name: str, run: int = 0
) -> RegisteredModel:
    """Return the tuned settings as a model of the registry, not yet registered: it has no number and no files.

    `config` says which index is asked (`load`), with which embedder and search (`embedding`, `retrieval`).

    Raises:
        UsageError: the data set has held-out rows or no real questions, or the search is not hybrid.
        BackendError: the index or the warehouse failed.
    """
    workspace, wall, used = Workspace(), time.perf_counter(), time.process_time()
    store = open_datasets(workspace)
    card = store.find(dataset)
    rows = store.rows(card, [Split.TRAIN, Split.VALIDATION])
    questions = tuning_questions(rows, settings)
    with ExitStack() as stack:
        index = stack.enter_context(stack.enter_context(workspace.store(config.load)).read())
        manifest = index.manifest
        spec = fitting_spec(manifest, config.embedding, workspace.home)
        # Each question is asked more than once.
        embedder = Remembering(fitting(spec.open(workspace.home), manifest.model))
        tokenizing = Tokenizing.model_validate(manifest.settings["tokenizing"])
        here = Searching(index, embedder, tokenizing.query)
        ids = frozenset(str(payload["document_id"]) for payload in index.payloads(["document_id"]))
        searching: dict[int, Callable[[], Searching]] = {0: lambda: here}
        for size in settings.chunk_tokens:
            opened = partial(_rechunked, config, manifest, embedder, ids, size, settings.max_chunks, workspace, stack)
            searching[size] = cache(opened)
        rerank, reranking = config.retrieval.rerank, None
        if rerank is not None:
            opened_reranker = rerank.open(workspace.home, embedder.embedder)
            reranking = Reranking(opened_reranker, rerank.candidates, rerank.weight)
        tuned = tune(settings, questions, searching, config.retrieval, reranking, workspace.progress)
    record = TrainingRecord(
        rows=sum(map(len, questions.values())), steps=tuned.choice.tried, seed=settings.seed, device="cpu",
        seconds=round(time.perf_counter() - wall, 3), cpu_seconds=round(time.process_time() - used, 3),
    )  # fmt: skip
    return tuned_model(tuned, settings, config, card, manifest, rows, record, name, run)


def tuned_model(
    tuned: Tuned,
    settings: TuningSettings,
    config: FeatureEngineeringConfig | TrainingConfig,
    card: DatasetCard,
    manifest: IndexManifest,
    rows: Sequence[RetrievalPair],
    record: TrainingRecord,
    name: str,
    run: int,
) -> RegisteredModel:
    """Return what was found as a version of a model of kind `retrieval`, which has settings and no weights."""
    choice = tuned.choice
    n = len({row.question for row in rows if row.split == Split.VALIDATION and row.origin in settings.origins})
    figure = f"validation/{settings.metric}@{settings.k}"
    metrics = {
        figure: _figure(choice.after if choice.changed else choice.before, n),
        f"{figure}/before": _figure(choice.before, n),
    }
    why = {"choice": choice, "rerank": tuned.reweighed, "answerability": tuned.calibration}
    return RegisteredModel(
        name=name,
        number=0,
        kind="retrieval",
        base=f"{config.load.collection} {manifest.version}",
        base_digest=manifest.model.digest,
        dataset=card.reference,
        dataset_digest=card.digest,
        licence=card.licence,
        settings={
            "retrieval": _changes(tuned, config),
            "chunk_tokens": choice.chosen.chunk_tokens,
            "tuning": settings.model_dump(mode="json"),
            "why": {key: told for key, decided in why.items() if (told := _told(decided))},
        },
        training=record,
        metrics=metrics,
        index={"collection": config.load.collection, "version": manifest.version, "fingerprint": manifest.fingerprint},
        run=run,
    )


def _changes(tuned: Tuned, config: FeatureEngineeringConfig | TrainingConfig) -> dict[str, object]:
    """Return what of section `retrieval` is set by the tuning."""
    values: dict[str, object] = {"fusion": tuned.retrieval.fusion.model_dump(mode="json"), "pool": tuned.retrieval.pool}
    judge, calibration = tuned.retrieval.answerability, tuned.calibration
    if judge is not None and calibration is not None:
        fields = {"threshold"} if calibration.formula is None else {"threshold", "hybrid", "model"}
        values["answerability"] = judge.model_dump(mode="json", include=fields)
    spec = config.retrieval.rerank
    if tuned.reweighed is not None and spec is not None:
        values["rerank"] = {"kind": spec.kind, "weight": tuned.reweighed.weight}
    return values


def _figure(value: float, n: int) -> Estimate:
    # How sure it is, an evaluation on held-out questions says; these chose, so no interval of theirs is honest.
    return Estimate(value=round(value, 6), low=0.0, high=1.0, n=n)


def _told(decided: object) -> dict[str, object]:
    """Return the numbers and the reason of a decision."""
    known = vars(decided) if decided is not None else {}
    return {key: value for key, value in known.items() if isinstance(value, str | int | float)}


def _rechunked(
    config: FeatureEngineeringConfig | TrainingConfig,
    manifest: IndexManifest,
    embedder: Embedder,
    ids: frozenset[str],
    size: int,
    most: int,
    workspace: Workspace,
    stack: ExitStack,
) -> Searching:
    """Return an index of the same documents in chunks of another size, in a folder that goes with the stack.

    Vectors come from the warehouse, and new ones are kept there: a size that is chosen later costs nothing again.

    Raises:
        UsageError: it has more chunks than are allowed.
    """
    made: Chunker = TypeAdapter(Chunker).validate_python(manifest.settings["chunking"])
    chunker = made.model_copy(update={"max_tokens": size})
    tokenizing = Tokenizing.model_validate(manifest.settings["tokenizing"])
    cleaning = Cleaning.model_validate(manifest.settings["cleaning"])
    tokenizer, progress = config.embedding.open_tokenizer(workspace.home), workspace.progress
    with workspace.warehouse() as warehouse:
        cleaned = workspace.spool(
            (attempts.cleaned(cleaning, document) for document in warehouse.documents(ids)), CleanedDocument
        )
        with bound_chunker(chunker, config.embedding, workspace) as bound:
            chunks = workspace.spool(features.chunk_documents(cleaned, bound, lambda: tokenizer, progress), Chunk)
        if len(chunks) > most:
            raise UsageError(
                f"with chunks of {size} tokens the corpus has {len(chunks)} of them, and training.trainer.max_chunks "
                f"is {most}; raise it, or leave {size} out of chunk_tokens"
            )
        tokens = features.tokenize_chunks(chunks, tokenizing, lambda: tokenizer, progress)
        vectors = features.embed_chunks(chunks, embedder.card.digest, lambda: embedder, warehouse, progress)
        rows = zip(chunks, tokens, vectors, strict=True)
        points = (Point(chunk.id, vector.vector, token.sparse, chunk.payload) for chunk, token, vector in rows)
        other = manifest.model_copy(
            update={"version": f"tokens{size}", "fingerprint": digest([manifest.version, size])}
        )
        return Searching(_indexed(points, other, stack), embedder, tokenizing.query)


def _indexed(points: Iterator[Point], manifest: IndexManifest, stack: ExitStack) -> VectorIndex:
    folder = Path(tempfile.mkdtemp(prefix="tuning-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    store = QdrantEdge().open(folder, "tuning")
    stack.callback(store.close)
    with store.write(manifest) as index:
        while batch := list(islice(points, BATCH)):
            index.upsert(batch)
        index.flush()
    store.publish(manifest.version)
    store.activate(manifest.version)
    return stack.enter_context(store.read())
