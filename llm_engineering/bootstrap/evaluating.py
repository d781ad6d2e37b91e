"""What the evaluation is made of: the questions, the version that is asked, where evaluations are kept."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loguru import logger
from pydantic import ValidationError

from llm_engineering.application.datasets import held_questions
from llm_engineering.application.evaluation.asking import held
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.application.retrieval import Reranking
from llm_engineering.application.retrieval.candidates import fitting
from llm_engineering.application.retrieval.searcher import OpenedVersion
from llm_engineering.application.retrieval.texts import Cleaned, Texts
from llm_engineering.application.text import Tokenizing
from llm_engineering.bootstrap.registered import as_made
from llm_engineering.bootstrap.training import open_datasets
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config import EvaluationConfig, PromotionConfig
from llm_engineering.domain.datasets import HeldQuestion, Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.ports import Embedder
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders import EmbedderSpec

if TYPE_CHECKING:
    from llm_engineering.infrastructure.evaluations import EvaluationFiles

Evaluating = EvaluationConfig | PromotionConfig


@dataclass(frozen=True)
class Asked:
    """An opened version of an index, with its models. `subject` says what it is, in the words of `Evaluation`."""

    version: OpenedVersion
    subject: dict[str, str]


def open_evaluations(workspace: Workspace) -> "EvaluationFiles":
    """Return the store of evaluations of a home."""
    from llm_engineering.infrastructure.evaluations import EvaluationFiles

    return EvaluationFiles(workspace.home)


def held_questions_of(settings: EvaluationSettings, workspace: Workspace) -> tuple[list[HeldQuestion], str]:
    """Return the questions to evaluate with, and where they are from.

    Raises:
        UsageError: none are named, they cannot be read, or the split has none.
    """
    if settings.questions is not None:
        from llm_engineering.infrastructure.questions import read_questions

        read = read_questions(settings.questions, settings.question, settings.document, settings.filters)
        return held(read), settings.questions.name
    if not settings.dataset:
        raise UsageError(
            "there are no questions to evaluate with; set evaluation.questions to a CSV, TSV or JSONL file with the "
            "columns question and document, or evaluation.dataset to a data set, which "
            "`poetry poe run-dataset-pipeline` makes"
        )
    store = open_datasets(workspace)
    card = store.find(settings.dataset)
    found = held_questions(store.rows(card, [Split(settings.split)]))
    if not found:
        raise UsageError(
            f"data set {card.reference} has no questions in split {settings.split!r}; it has {dict(card.rows)}"
        )
    return found, f"{card.reference}, {settings.split}"


@contextmanager
def asked_version(config: Evaluating, workspace: Workspace, version: str = "") -> Iterator[Asked]:
    """Open a published index version (without a name the active one) with the models that its searches need.

    The version is asked with the model that it was made with, whichever the configuration names, and with the
    retrieval and the reranker of the configuration.

    Raises:
        UsageError: there is no such version, or its model cannot be opened.
    """
    settings = config.retrieval
    if '"kind":"llm"' in settings.model_dump_json():
        logger.warning("stages of the retrieval that ask a language model are left out of the evaluation")
    with ExitStack() as stack:
        store = stack.enter_context(workspace.store(config.load))
        index = stack.enter_context(store.read(version))
        warehouse = stack.enter_context(workspace.existing_warehouse())
        manifest = index.manifest
        embedder = _embedder_for(manifest, config.embedding, workspace) if settings.mode != "sparse" else None
        reranking = _reranking(config, workspace, embedder)
        tokenizing = Tokenizing.model_validate(manifest.settings["tokenizing"])
        texts = Texts(workspace.existing_warehouse, manifest.settings["cleaning"], Cleaned())
        opened = OpenedVersion(index, embedder, tokenizing.query, texts, settings, reranking)
        documents = warehouse.indexed(config.load.collection, manifest.version) if warehouse else ()
        subject = {
            "collection": config.load.collection,
            "version": manifest.version,
            "fingerprint": manifest.fingerprint,
            # The same version holds other documents after the next run.
            "content": digest([[one.document_id, one.content_hash] for one in documents])[:16],
            "model": manifest.model.name,
            "model_digest": manifest.model.digest,
            "mode": settings.mode,
            "retrieval": digest(settings.model_dump(mode="json"))[:16],
            "reranker": reranking.reranker.name if reranking else "",
        }
        yield Asked(opened, subject)


def _reranking(config: Evaluating, workspace: Workspace, embedder: Embedder | None) -> Reranking | None:
    spec = config.retrieval.rerank
    if spec is None:
        return None
    return Reranking(spec.open(workspace.home, embedder), spec.candidates, spec.weight)


def _embedder_for(manifest: IndexManifest, spec: EmbedderSpec, workspace: Workspace) -> Embedder:
    """Open the model of an index version: as the configuration says if it names that one, else as the version says."""
    home = workspace.home
    try:
        named = spec.card(home).digest
    except UsageError as error:
        logger.warning("the embedder of the configuration cannot be read ({}); the index's own is used", error)
        named = ""
    try:
        if named != manifest.model.digest:
            spec = as_made(manifest)
        return fitting(spec.open(home), manifest.model)
    except (UsageError, ValidationError, KeyError) as error:
        raise UsageError(
            f"the model {manifest.model.name!r} of index version {manifest.version} cannot be opened: {error}"
        ) from error
