"""An embedder that remembers: the same question is asked again, and its vector need not be computed again."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.domain.ports import Embedder

REMEMBERED = 4_096


class Remembering:
    """An embedder that knows the vectors of the last queries. Safe to use from several threads."""

    def __init__(self, embedder: Embedder, most: int = REMEMBERED) -> None:
        """Remember nothing yet, and never more than so many queries."""
        self.card: ModelCard = embedder.card
        self.embedder = embedder
        self._most = most
        self._known: OrderedDict[str, Vector] = OrderedDict()
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        return self.embedder.embed(texts)

    def embed_query(self, text: str) -> Vector:
        with self._lock:
            vector = self._known.get(text)
            if vector is not None:
                self._known.move_to_end(text)
                return vector
        vector = self.embedder.embed_query(text)
        self._keep({text: vector})
        return vector

    def know(self, vectors: Mapping[str, Vector]) -> None:
        """Take these for the vectors of queries, in place of what would be computed today."""
        self._keep(vectors)

    def learn(self, texts: Iterable[str]) -> None:
        """Compute the vectors of several queries: together, which takes less time, where the embedder can do that."""
        together: Callable[[Sequence[str]], Sequence[Vector]] | None = getattr(self.embedder, "embed_queries", None)
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if together is not None and len(new) > 1:
            self._keep(dict(zip(new, together(new), strict=True)))

    def _keep(self, vectors: Mapping[str, Vector]) -> None:
        with self._lock:
            self._known |= vectors
            while len(self._known) > self._most:
                self._known.popitem(last=False)


class Noting:
    """An embedder for one search, which notes the vectors of its queries: a batch of others has its say in their last
    digits, so they cannot be computed again."""

    def __init__(self, embedder: Embedder) -> None:
        self.card: ModelCard = embedder.card
        self.vectors: dict[str, Vector] = {}
        self._embedder = embedder

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        return self._embedder.embed(texts)

    def embed_query(self, text: str) -> Vector:
        vector = self.vectors[text] = self._embedder.embed_query(text)
        return vector
