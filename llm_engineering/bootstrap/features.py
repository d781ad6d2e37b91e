"""What the feature pipelines are made of: sources, the manifest of the index, questions, searching versions."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from llm_engineering.application import versioning
from llm_engineering.application.cleaning.pii import PII_SCHEMA, Pii
from llm_engineering.application.evaluation import Searching
from llm_engineering.application.ingestion import NamedSource
from llm_engineering.application.retrieval.candidates import fitting
from llm_engineering.application.retrieval.filters import payload_field
from llm_engineering.application.text import Tokenizing
from llm_engineering.bootstrap.registered import as_made
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config import FeatureEngineeringConfig, Gate, Ingest, link_name
from llm_engineering.config.chunking import named_embedders
from llm_engineering.domain.chunks import SparseVector
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Question
from llm_engineering.domain.indexes import IndexManifest, Plan
from llm_engineering.domain.ports import Embedder, Source, VectorStore
from llm_engineering.domain.secrets import REFERENCE
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.sources import Git, SourceSpec
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.tenancy import Tenanted

# Raise this when the code of cleaning, chunking, tokenizing or the payload changes what it makes of the same input:
# the next run then builds a new index version beside the old one.
FEATURES_SCHEMA = 2


def sources_of(section: Ingest, context: SourceContext) -> list[NamedSource]:
    """Return the sources of a configuration, each to be opened when its turn comes."""
    return [NamedSource(spec.name, spec.kind, partial(open_source, spec, context)) for spec in section.sources]


def sources_of_links(links: Iterable[str], context: SourceContext) -> list[NamedSource]:
    """Return one source for each distinct link, named by the link."""
    from llm_engineering.infrastructure.sources.crawl import source_for_link

    def opener(link: str) -> Callable[[], Source]:
        return lambda: open_source(source_for_link(link, name=link_name(link)), context)

    return [NamedSource(link_name(link), "link", opener(link)) for link in dict.fromkeys(links)]


def open_source(spec: SourceSpec, context: SourceContext) -> Source:
    """Open a source. Git's gets its address with the secrets in it, because it never shows what stands before the @.

    Raises:
        UsageError: the address of a repository holds a secret elsewhere, where it would be shown.
    """
    if isinstance(spec, Git):
        if REFERENCE.search(spec.url.rpartition("@")[2]):
            raise UsageError(f"{spec.url}: in the address of a repository, a secret can only stand before the @")
        spec = spec.model_copy(update={"url": context.address(spec.url)})
    if not spec.tenant:
        return spec.open(context)
    return Tenanted(spec.open(context.of_tenant(spec.tenant)), spec.tenant)


def manifest_of(config: FeatureEngineeringConfig, home: Path) -> IndexManifest:
    """Describe the index that this configuration makes. Everything that decides its content is in the fingerprint."""
    embedding = config.embedding.resolved(home)
    card = embedding.card(home)
    indexes = tuple(payload_field(key) for key in config.payload_indexes)
    settings: dict[str, object] = {
        "schema": FEATURES_SCHEMA,
        "cleaning": config.cleaning.model_dump(mode="json"),
        "chunking": config.chunking.model_dump(mode="json"),
        "tokenizing": config.tokenizing.model_dump(mode="json"),
        "embedding": embedding.model_dump(mode="json"),
    }
    if config.duplicates.leaves_out:
        settings["duplicates"] = config.duplicates.model_dump(mode="json")
    # Where and how fast a model runs (device, precision, batch) does not change what it means; its digest does.
    # So is its passage prompt; and what a card did not have in former versions is left out where it says nothing.
    identified = card.model_dump(mode="json", exclude={"query_prompt", "passage_prompt"}, exclude_defaults=True)
    content = settings | {"embedding": identified, "payload_indexes": indexes}
    # A chunker may compare texts with a model of its own: another digest of it is another index.
    if compared := [spec.card(home).digest for spec in named_embedders(config.chunking)]:
        content["chunking_models"] = compared
    if any(isinstance(cleaner, Pii) for cleaner in config.cleaning.cleaners):
        content["pii"] = PII_SCHEMA
    if config.tokenizing.lemmas is not None:
        content["lemmas"] = config.tokenizing.lemmas.identity()
    return IndexManifest(
        version="v0",
        fingerprint=digest(content),
        model=card,
        payload_indexes=indexes,
        settings=settings,
    )


def questions_of(gate: Gate) -> list[Question]:
    """Read the questions of the gate, if there are any.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    from llm_engineering.infrastructure.questions import read_questions

    return read_questions(gate.questions, gate.question, gate.document, gate.filters) if gate.questions else []


@contextmanager
def searching_both(
    config: FeatureEngineeringConfig, store: VectorStore, plan: Plan
) -> Iterator[tuple[Searching, Searching | None]]:
    """Open the planned version and, if the gate compares with it, the active one, each with its own model.

    Raises:
        UsageError: the active version's model cannot be opened.
    """
    home, dense = Workspace().home, config.retrieval.mode != "sparse"
    with ExitStack() as stack:
        candidate = stack.enter_context(store.write(plan.manifest))
        embedder: Embedder | None = config.embedding.open(home) if dense else None
        asked = Searching(candidate, embedder, _query_splitter(candidate.manifest))
        if not versioning.seen(store) or config.gate.max_loss is None:
            yield asked, None
            return
        active = stack.enter_context(store.read())
        if dense and active.manifest.model.digest != candidate.manifest.model.digest:
            embedder = _embedder_of(active.manifest, home)
        yield asked, Searching(active, embedder, _query_splitter(active.manifest))


def _query_splitter(manifest: IndexManifest) -> Callable[[str], SparseVector]:
    """Return how queries are split for an index: the way the index was, whatever the file says by now."""
    return Tokenizing.model_validate(manifest.settings["tokenizing"]).query


def _embedder_of(manifest: IndexManifest, home: Path) -> Embedder:
    """Open the model that an index version was made with."""
    try:
        return fitting(as_made(manifest).open(home), manifest.model)
    except (UsageError, ValidationError, KeyError) as error:
        raise UsageError(
            f"the gate compares with the active version {manifest.version}, and its model {manifest.model.name!r} "
            f"cannot be opened: {error}. Get it back, or set gate.max_loss to null to judge the new version alone"
        ) from error
