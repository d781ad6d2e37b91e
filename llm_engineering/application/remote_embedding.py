"""An embedder whose batches an executor computes: the very batches that it would compute here, in their order."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from llm_engineering.application.works import Embed
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.domain.ports import Executor

# Divides texts into the batches that the embedder would cut, as lists of positions.
Cuts = Callable[[Sequence[str]], Iterable[Sequence[int]]]


class RemoteEmbedder:
    """The port `Embedder` for passages. The model is not loaded in this process."""

    def __init__(self, card: ModelCard, work: Embed, cuts: Cuts, executor: Executor) -> None:
        self.card = card
        self._work = work
        self._cuts = cuts
        self._executor = executor

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        batches = [list(batch) for batch in self._cuts(texts)]
        made = self._executor.map(self._work, ([texts[place] for place in batch] for batch in batches))
        for batch, vectors in zip(batches, made, strict=True):
            yield list(zip(batch, vectors, strict=True))

    def embed_query(self, text: str) -> Vector:  # noqa: ARG002 - the port's signature
        raise BackendError("queries are embedded where they are asked, not by the workers of a run")
