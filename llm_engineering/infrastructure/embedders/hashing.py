"""An embedder without a model: texts with common words are near. For tests, dry runs and first steps offline."""

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import hypot, log
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders.settings import EmbedderSettings
from llm_engineering.infrastructure.embedders.window import check_window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOKEN = re.compile(r"\w+|[^\w\s]")
SPECIAL_TOKENS = 2  # as many as BERT has, so that chunks come out alike
BATCH = 256
ALGORITHM = 1  # counts the changes of `embed`: another number is another model


class Hashing(EmbedderSettings):
    """Hash words into vectors. Fast and deterministic, but it knows nothing of meaning: not for real searches."""

    kind: Literal["hashing"] = "hashing"
    dimension: int = Field(256, ge=8, le=4096, description="components of a vector")
    max_tokens: int = Field(256, ge=16, le=8192, description="window in words and signs, two special tokens included")

    def open(self, home: Path) -> "HashingEmbedder":
        """Return the embedder; it needs no files."""
        return HashingEmbedder(self.card(home), self.open_tokenizer(home))

    def open_tokenizer(self, home: Path) -> "WordTokenizer":  # noqa: ARG002 - the signature of every embedder
        """Return the tokenizer that sizes chunks."""
        return WordTokenizer(self.max_tokens)

    def cuts(self, texts: Sequence[str], home: Path) -> Iterator[Sequence[int]]:  # noqa: ARG002 - as above
        """Yield the positions of the texts in the batches that the embedder cuts."""
        return (range(start, min(start + BATCH, len(texts))) for start in range(0, len(texts), BATCH))

    def card(self, home: Path) -> ModelCard:  # noqa: ARG002 - the signature of every embedder
        """Identify the vectors: the dimension and the algorithm decide them."""
        return ModelCard(
            name=f"hashing-{self.dimension}",
            digest=digest(["hashing", ALGORITHM, self.dimension]),
            dimension=self.dimension,
            max_tokens=self.max_tokens,
        )


class WordTokenizer:
    """Takes each word and each other sign as one sub-word."""

    special_tokens = SPECIAL_TOKENS

    def __init__(self, max_tokens: int) -> None:
        self.max_tokens = max_tokens

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return [match.span() for match in TOKEN.finditer(text)]

    def count(self, text: str) -> int:
        return sum(1 for _ in TOKEN.finditer(text)) + SPECIAL_TOKENS


class HashingEmbedder:
    """Adds up a fixed random-looking vector for each word: `log(1 + count)` times, longer words weigh more."""

    def __init__(self, card: ModelCard, tokenizer: WordTokenizer) -> None:
        self.card = card
        self._tokenizer = tokenizer

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        check_window([self._tokenizer.count(text) for text in texts], self.card.max_tokens)
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            yield [(start + offset, self.embed_query(text)) for offset, text in enumerate(batch)]

    def token_vectors(self, texts: Sequence[str]) -> "list[NDArray[np.float32]]":
        """Return for each text the unit vectors of its words, (words, components), at most as many as the window has;
        without words, that of the empty text."""
        import numpy as np

        words = [TOKEN.findall(text.casefold())[: self.card.max_tokens] or [""] for text in texts]
        return [np.array([self.embed_query(word) for word in each], dtype=np.float32) for each in words]

    def embed_query(self, text: str) -> Vector:
        words = Counter(TOKEN.findall(text.casefold())) or Counter({"": 1})
        total = [0.0] * self.card.dimension
        for word, count in words.items():
            weight = log(1 + count) * min(len(word) + 1, 8)
            for place, sign in places(word, self.card.dimension):
                total[place] += sign * weight
        length = hypot(*total)
        if length == 0.0:  # two words that cancel each other out
            return self.embed_query("")
        return array("f", (component / length for component in total))


@lru_cache(maxsize=65_536)
def places(word: str, dimension: int) -> tuple[tuple[int, float], ...]:
    """Return where and with which sign a word enters a vector: four places keep chance meetings of two words weak."""
    hashed = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return tuple(
        (int.from_bytes(hashed[part : part + 3]) % dimension, 1.0 if hashed[part + 3] & 1 else -1.0)
        for part in range(0, 16, 4)
    )
