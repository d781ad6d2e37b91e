"""Chunkers with what they need to work: `semantic` compares vectors, of its own embedder or of the index's."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from loguru import logger

from llm_engineering.application.chunking import Chunker
from llm_engineering.application.chunking.passage_vectors import KeptVectors
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config.chunking import embedder_named
from llm_engineering.infrastructure.embedders import EmbedderSpec


@contextmanager
def bound_chunker(
    chunker: Chunker, embedding: EmbedderSpec, workspace: Workspace, *, keep: bool = True
) -> Iterator[Chunker]:
    """Open a chunker, able to work. One that compares nothing opens neither a model nor the warehouse.

    Models are opened when the first text is compared. With `keep`, vectors are kept in the warehouse, and what it has
    is not embedded again; without, nothing is written.
    """
    given: list[KeptVectors] = []
    with ExitStack() as stack:

        def provide(named: Mapping[str, Any] | None) -> KeptVectors:
            spec, home = embedding if named is None else embedder_named(named), workspace.home
            warehouse = stack.enter_context(workspace.warehouse()) if keep else None
            card, tokenizer = spec.card(home), spec.open_tokenizer(home)
            given.append(KeptVectors(card.digest, tokenizer, lambda: spec.open(home), warehouse))
            return given[-1]

        yield chunker.bound(provide)
        for vectors in given:
            logger.info("chunk: {} texts embedded to find breakpoints, {} known", vectors.embedded, vectors.reused)
