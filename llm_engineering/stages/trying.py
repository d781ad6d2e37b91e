"""Try a source: read its first documents as a run would, and store nothing."""

import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any

from llm_engineering import bootstrap
from llm_engineering.application import attempts
from llm_engineering.application.chunking import Chunker
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig
from llm_engineering.domain.documents import Document, NotModified
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.ports import SubwordTokenizer
from llm_engineering.domain.previews import ChunkPreview, DocumentPreview, SourcePreview
from llm_engineering.domain.secrets import redact
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.guessing import source_at

_MOST_PROBLEMS = 50


def try_source(config: FeatureConfig, place: str, settings: Mapping[str, Any], limit: int) -> SourcePreview:
    """Return the first `limit` documents of a source, cleaned and chunked, and what was wrong with others.

    `place` is an address, a path, or the name of a source of the configuration. Nothing is written but to a temporary
    folder, and no model is loaded but for a chunker that compares meanings: a tokenizer tells where chunks end.

    Raises:
        UsageError: a setting of the source is wrong.
        SourceError: nothing reads such a place.
    """
    start = perf_counter()
    named = {source.name: source for source in config.ingest.sources}
    spec = named[place] if place in named and not settings else source_at(place, settings)
    workspace = Workspace()
    tokenizer = config.embedding.open_tokenizer(workspace.home)
    documents: list[DocumentPreview] = []
    problems: list[Incident] = []
    more = False
    with (
        bootstrap.bound_chunker(config.chunking, config.embedding, workspace, keep=False) as chunker,
        tempfile.TemporaryDirectory(prefix="llm-engineering-try-") as folder,
        closing(SourceContext(Path(folder), config.ingest.fetching)) as context,
    ):
        try:
            for item in bootstrap.open_source(spec, context).read():
                if len(documents) >= limit or len(problems) >= _MOST_PROBLEMS:
                    more = True
                    break
                if isinstance(item, Document):
                    preview, problem = _preview(config, item, chunker, tokenizer)
                    documents += [preview] if preview else []
                    problems += [problem] if problem else []
                elif not isinstance(item, NotModified):
                    uri = f"{item.uri} {item.key}".strip()
                    problems.append(_incident(uri, spec.name, item.reason, item.detail))
        except SourceError as error:
            problems.append(_incident(spec.name, spec.name, error.reason, str(error)))
    return SourcePreview(
        source=redact(spec.name),
        kind=spec.kind,
        documents=tuple(documents),
        problems=tuple(problems),
        more=more,
        seconds=round(perf_counter() - start, 2),
    )


def _preview(
    config: FeatureConfig, document: Document, chunker: Chunker, tokenizer: SubwordTokenizer
) -> tuple[DocumentPreview | None, Incident | None]:
    """Return what a document would become, and why it would be rejected if a cleaner refuses it, or fails, as a chunker
    may, too."""
    cleaned = attempts.cleaned(config.cleaning, document)
    if reason := cleaned.outcome.get("rejected"):
        return None, _incident(document.uri, document.source, str(reason), str(cleaned.outcome["detail"]))
    made = attempts.cut(chunker, cleaned, tokenizer)
    chunks = [] if isinstance(made, attempts.Broken) else made
    problem = None
    if isinstance(made, attempts.Broken):
        problem = _incident(document.uri, document.source, attempts.CHUNKER, made.detail)
    preview = DocumentPreview(
        uri=redact(document.uri),
        key=document.key,
        title=cleaned.title,
        format=document.format,
        text=cleaned.text,
        metadata=dict(cleaned.metadata),
        provenance=dict(document.provenance),
        chunks=tuple(ChunkPreview(text=chunk.text, context=chunk.context, tokens=chunk.tokens) for chunk in chunks),
    )
    return preview, problem


def _incident(uri: str, source: str, reason: str, detail: str) -> Incident:
    return Incident(uri=redact(uri), source=redact(source), reason=reason, detail=redact(detail))
