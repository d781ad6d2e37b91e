"""The searcher of a configuration."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

from loguru import logger

from llm_engineering.application.retrieval import Ask, Reranking
from llm_engineering.application.retrieval.candidates import fitting
from llm_engineering.application.retrieval.following import Following
from llm_engineering.application.retrieval.remembering import Remembering
from llm_engineering.application.retrieval.searcher import FollowingSearcher, OpenedVersion
from llm_engineering.application.retrieval.texts import Cleaned, Texts
from llm_engineering.application.text import Tokenizing
from llm_engineering.bootstrap.graphs import graph_of
from llm_engineering.bootstrap.registered import as_made, follows_registry, retrieval_of
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config import AssistantConfig, FeatureEngineeringConfig
from llm_engineering.config.retrieval import RetrievalSection
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders import EmbedderSpec, SentenceTransformers
from llm_engineering.infrastructure.rerankers import RerankerSpec


class _Opener:
    """Opens what is published, with the models that it needs; models are kept from one version to the next."""

    def __init__(
        self,
        config: AssistantConfig | FeatureEngineeringConfig,
        workspace: Workspace,
        stack: ExitStack,
        *,
        lasting: bool,
        callers: int | None,
    ) -> None:
        self._config = config
        self._lasting = lasting
        self._callers = callers
        self._workspace = workspace
        self.store = stack.enter_context(workspace.store(config.load))
        self._cleaned = Cleaned()
        self._embedder: Remembering | None = None
        self._reranking: Reranking | None = None
        self._reranks_with: RerankerSpec | None = None
        self._opened_before = False
        self._stack = stack
        self._warehouse: Warehouse | None = None
        self._lock = Lock()

    @contextmanager
    def warehouse(self) -> Iterator[Warehouse | None]:
        """Yield the warehouse, which stays open from its first use on: opening it takes longer than reading from it."""
        with self._lock:
            if self._warehouse is None:
                self._warehouse = self._stack.enter_context(self._workspace.existing_warehouse())
        yield self._warehouse

    @contextmanager
    def opened(self) -> Iterator[OpenedVersion]:
        """Open the active version."""
        settings = retrieval_of(self._config.retrieval, self._workspace.home)
        with self.store.read() as index:
            manifest = index.manifest
            embedder = self._fitting(manifest) if settings.mode != "sparse" else None
            # Queries are split, and documents cleaned, the way the index was, whatever the file says by now.
            tokenizing = Tokenizing.model_validate(manifest.settings["tokenizing"])
            texts = Texts(self.warehouse, manifest.settings["cleaning"], self._cleaned)
            self._opened_before = True
            if self._lasting and (read_ahead := getattr(index, "read_ahead", None)) is not None:
                read_ahead()
            yield OpenedVersion(
                index,
                embedder,
                tokenizing.query,
                texts,
                settings,
                self._reranking_with(settings, embedder),
                graph_of(self._workspace.home, self._config.load.collection, manifest),
            )

    def _fitting(self, manifest: IndexManifest) -> Remembering:
        """Return the embedder of a version: the configured one, or, after a switch, the one that it was made with.

        Raises:
            UsageError: at the first opening, the configuration names another model than the index was made with.
        """
        if self._embedder is None or self._embedder.card.digest != manifest.model.digest:
            home, spec = self._workspace.home, self._config.embedding
            if spec.names(manifest.model.name):
                # The index decides which version of a registered model is asked: both are switched together.
                spec = _as_made(manifest, spec)
            elif self._opened_before and spec.card(home).digest != manifest.model.digest:
                logger.warning(
                    "index version {} was made with model {!r}, the configuration names another; its own is used until "
                    "the next start, which needs the configuration changed",
                    manifest.version,
                    manifest.model.name,
                )
                spec = _as_made(manifest)
            embedder = spec.open_queries(home, lasting=self._lasting, callers=self._callers)
            fitting(embedder, manifest.model)
            _tell_of_prompts(embedder.card, manifest)
            self._embedder, self._reranking = Remembering(embedder), None
        return self._embedder

    def _reranking_with(self, settings: RetrievalSection, embedder: Remembering | None) -> Reranking | None:
        spec = settings.rerank
        if spec != self._reranks_with:
            self._reranks_with, self._reranking = spec, None
        if spec is not None and self._reranking is None:
            reranker = spec.open(self._workspace.home, embedder.embedder if embedder else None)
            self._reranking = Reranking(reranker, spec.candidates, spec.weight)
        return self._reranking

    def publication(self) -> str:
        """Say what searches would see now: a publication of the index, and what is in production for them."""
        published, section = self.store.publication(), self._config.retrieval
        if not published or not follows_registry(section):
            return published
        return f"{published} {digest(retrieval_of(section, self._workspace.home).model_dump(mode='json'))[:12]}"


def _tell_of_prompts(card: ModelCard, manifest: IndexManifest) -> None:
    """Log if questions are asked with another prompt than the index was configured with: that may be meant, or not."""
    settings = manifest.settings.get("embedding")
    meant = str(settings.get("query_prompt", "")) if isinstance(settings, dict) else ""
    if card.query_prompt != meant:
        logger.warning(
            "questions are embedded with the prompt {!r}; index version {} was configured with {!r}",
            card.query_prompt,
            manifest.version,
            meant,
        )


def _as_made(manifest: IndexManifest, here: EmbedderSpec | None = None) -> EmbedderSpec:
    """Return the embedder that a version was made with; where and how fast it runs is said by the settings of today."""
    made = as_made(manifest)
    if not isinstance(here, SentenceTransformers) or not isinstance(made, SentenceTransformers):
        return made
    where = {"device", "precision", "token_budget", "threads", "queries", "passages", "onnx_up_to"}
    return made.model_copy(update=here.model_dump(include=where))


class _OpenSearcher(FollowingSearcher):
    """A searcher that also closes what it was opened with."""

    def __init__(self, following: Following[OpenedVersion], ask: Ask | None, stack: ExitStack) -> None:
        super().__init__(following, ask)
        self._stack = stack

    def close(self) -> None:
        super().close()
        self._stack.close()


def open_searcher(
    config: AssistantConfig | FeatureEngineeringConfig,
    workspace: Workspace | None = None,
    ask: Ask | None = None,
    *,
    every: float | None = 1.0,
    lasting: bool = False,
    callers: int | None = None,
) -> FollowingSearcher:
    """Return the searcher of a configuration. Nothing is opened before the first search.

    `every` is how often it looks for a new publication, in seconds; None: never. `ask` is the language model for those
    stages of `retrieval` that are of kind `llm`. `lasting` is a searcher that answers for so long that how fast it
    starts is of no account. `callers` is how many threads search at the same time; None: as many as there are cores.
    One alone computes its question's vector by itself; several hand it to threads of the engine, which takes longer.
    """
    stack = ExitStack()
    opener = _Opener(config, workspace or Workspace(), stack, lasting=lasting, callers=callers)
    return _OpenSearcher(Following(opener.publication, opener.opened, every), ask, stack)
