"""What promotions are made of: the candidate in its place, both sides to ask, and whoever was killed half-way."""

from typing import TypeVar

from llm_engineering.application import promotion, versioning
from llm_engineering.application.promotion.asking import Find
from llm_engineering.application.retrieval import Reranking
from llm_engineering.application.retrieval.searcher import OpenedVersion
from llm_engineering.application.retrieval.texts import Cleaned, Texts
from llm_engineering.application.text import Tokenizing
from llm_engineering.bootstrap.registered import with_settings
from llm_engineering.bootstrap.training import open_registry
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config import FeatureEngineeringConfig, Load
from llm_engineering.config.retrieval import RetrievalSection
from llm_engineering.domain.access import ALL
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import RegisteredModel, Switch
from llm_engineering.domain.ports import Embedder, VectorIndex
from llm_engineering.domain.queries import Filter
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders import SentenceTransformers
from llm_engineering.infrastructure.processes import Process, this_process
from llm_engineering.infrastructure.registries import exact
from llm_engineering.infrastructure.rerankers import CrossEncoder

F = TypeVar("F", bound=FeatureEngineeringConfig)


def with_candidate(config: F, model: RegisteredModel) -> F:
    """Return a configuration with a version of a model in its place, as if it were in production.

    Raises:
        UsageError: the configuration has no place for such a model.
    """
    named = {"model": exact(model), "digest": model.weights, "revision": None, "registered": ""}
    match model.kind:
        case "embedder":
            if not isinstance(config.embedding, SentenceTransformers):
                raise UsageError(
                    f"{model.reference} is an embedder, and `embedding` is of kind {config.embedding.kind}; set "
                    f"embedding: {{registered: {model.name}}}"
                )
            return config.model_copy(update={"embedding": config.embedding.model_copy(update=named)})
        case "reranker":
            section = config.retrieval
            former = section.rerank if isinstance(section.rerank, CrossEncoder) else CrossEncoder(model="any")
            return config.model_copy(
                update={"retrieval": section.model_copy(update={"rerank": former.model_copy(update=named)})}
            )
        case "retrieval":
            return config.model_copy(update={"retrieval": with_settings(config.retrieval, model)})
        case "llm":  # it answers, and no search changes with it
            return config
        case _:
            raise UsageError(f"{model.reference} is of kind {model.kind}; this pipeline has no gate for it")


def reranking_of(section: RetrievalSection, embedder: Embedder, workspace: Workspace) -> Reranking | None:
    """Open the model that reads the candidates, if there is one.

    Raises:
        UsageError: it is not here, or is no reranker.
    """
    rerank = section.rerank
    if rerank is None:
        return None
    return Reranking(rerank.open(workspace.home, embedder), rerank.candidates, rerank.weight)


def asking_version(
    index: VectorIndex, embedder: Embedder, section: RetrievalSection, reranking: Reranking | None, workspace: Workspace
) -> Find:
    """Return a search of an opened index version, with all stages that need no language model."""
    manifest = index.manifest
    texts = Texts(workspace.existing_warehouse, manifest.settings["cleaning"], Cleaned())
    tokenizing = Tokenizing.model_validate(manifest.settings["tokenizing"])
    opened = OpenedVersion(index, embedder, tokenizing.query, texts, section, reranking)

    def find(question: str, filter: Filter, k: int) -> list[str]:
        return [hit.document_id for hit in opened.search(question, ALL, filter, k, None).hits]

    return find


def subject_of(index: VectorIndex, section: RetrievalSection, collection: str) -> dict[str, str]:
    """Say what an evaluation asked, so that nobody takes it for that of something else."""
    return {
        "collection": collection,
        "version": index.manifest.version,
        "fingerprint": index.manifest.fingerprint,
        "model": index.manifest.model.digest,
        "retrieval": digest(section.model_dump(mode="json")),
        "reranker": getattr(section.rerank, "digest", None) or "",
    }


def signed(switch: Switch, load: Load, run: int) -> Switch:
    """Return a switch with what it takes to end it in another process: the collection, and who is at it."""
    process = this_process()
    return switch.model_copy(
        update={
            "load": load.model_dump(mode="json", exclude_defaults=True),
            "run": run,
            "process": {"host": process.host, "number": process.number, "started": process.started},
        }
    )


def settle(workspace: Workspace, name: str = "") -> list[Switch]:
    """End what killed promotions and rollbacks left half-done; return what was completed.

    `name` is the model that the caller has for himself: whoever began its switch is gone.
    """
    registry = open_registry(workspace)
    if not registry.intents():
        return []

    def seen(switch: Switch) -> str:
        with workspace.store(Load.model_validate(switch.load)) as store:
            return versioning.seen(store)

    return promotion.settle(registry, seen, lambda switch: switch.name == name or _is_over(switch))


def needed_versions(workspace: Workspace, collection: str) -> set[str]:
    """Return the index versions of a collection that models in production may be rolled back to."""
    registry = open_registry(workspace)
    return promotion.needed_versions([registry.switches(name) for name in registry.names()], collection)


def _is_over(switch: Switch) -> bool:
    made = switch.process
    if not made:
        return True
    return Process(str(made["host"]), int(made["number"]), str(made["started"])).is_dead
