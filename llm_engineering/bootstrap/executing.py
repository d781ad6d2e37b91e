"""How a run embeds: with the model in this process, or with workers that hold it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from llm_engineering.application.remote_embedding import RemoteEmbedder
from llm_engineering.application.works import Embed
from llm_engineering.domain.ports import Embedder
from llm_engineering.infrastructure.embedders import EmbedderSpec
from llm_engineering.infrastructure.executors import ExecutorSpec, Local


@contextmanager
def embedding_by(
    executor: ExecutorSpec, embedding: EmbedderSpec, home: Path, chunks: int
) -> Iterator[Callable[[], Embedder]]:
    """Yield how the embedder of a run of so many chunks is opened."""
    spec = embedding.resolved(home)
    opens = partial(spec.open_run, home, chunks)
    if isinstance(executor, Local):  # torch and its like use all cores by themselves
        yield opens
        return
    with executor.open(0) as workers:
        card = spec.card(home)
        yield lambda: RemoteEmbedder(card, Embed(opens, card.digest), partial(spec.cuts, home=home), workers)
