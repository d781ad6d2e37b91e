"""Late interaction with the index's own embedding model: each word of the query finds its best word in the passage.

The score is the mean over the query's tokens of the highest cosine with any token of the passage (MaxSim; Khattab and
Zaharia, "ColBERT", 2020). The model was not trained for it, but it is there, and no other has to be fetched.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from pydantic import Field

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import Embedder
from llm_engineering.domain.value import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@runtime_checkable
class TokenEmbedder(Protocol):
    """An embedder that can also say what it makes of each token."""

    def token_vectors(self, texts: Sequence[str]) -> "list[NDArray[np.float32]]": ...


class LateInteraction(Value):
    """Compare token by token with the embedding model of the index. Slower than the search, needs no further model."""

    kind: Literal["late_interaction"] = "late_interaction"
    candidates: int = Field(20, ge=1, le=1_000, description="hits of the search that it reads")
    weight: float = Field(0.5, ge=0, le=1, description="its share of the score; the rest is the search's")
    remembered: int = Field(
        2_000, ge=0, le=1_000_000, description="passages whose token vectors are kept in memory, 200 kB each or less"
    )

    def resolved(self, home: Path) -> "LateInteraction":  # noqa: ARG002 - the signature of every reranker
        """Return these settings: they name no model of their own."""
        return self

    def open(self, home: Path, embedder: Embedder | None) -> "MaxSim":  # noqa: ARG002 - one signature for all kinds
        """Return the reranker.

        Raises:
            UsageError: there is no embedder (sparse mode), or it has no vectors of tokens.
        """
        if not isinstance(embedder, TokenEmbedder):
            raise UsageError(
                "the reranker late_interaction needs the embedder of the index, and one that has vectors of tokens; "
                "set retrieval.mode to hybrid or dense, or use the reranker cross_encoder"
            )
        return MaxSim(embedder, self.remembered)


class MaxSim:
    """Scores by the best match of each token of the query."""

    name = "late_interaction"

    def __init__(self, embedder: TokenEmbedder, remembered: int) -> None:
        self._embedder = embedder
        self._remembered = remembered
        self._known: dict[str, NDArray[np.float32]] = {}
        self._lock = Lock()
        self._query = lru_cache(maxsize=256)(lambda text: embedder.token_vectors([text])[0])

    def scores(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        asked = self._query(query)  # (query tokens, components)
        return [float((asked @ passage.T).max(axis=1).mean()) for passage in self._passages(texts)]

    def _passages(self, texts: Sequence[str]) -> "list[NDArray[np.float32]]":
        """Return the token vectors of the texts, (tokens, components) each; of those that are new, computed."""
        with self._lock:
            found = {text: self._known[text] for text in texts if text in self._known}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new:
            found |= dict(zip(new, self._embedder.token_vectors(new), strict=True))
        with self._lock:
            for text in dict.fromkeys(texts):  # the last used are at the end, the first go first
                self._known.pop(text, None)
                self._known[text] = found[text]
            while len(self._known) > self._remembered:
                del self._known[next(iter(self._known))]
        return [found[text] for text in texts]
