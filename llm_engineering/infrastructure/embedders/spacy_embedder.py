"""A spaCy pipeline as tokenizer and embedder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.infrastructure.embedders.hashing import places
from llm_engineering.infrastructure.embedders.tokenizer import readable
from llm_engineering.infrastructure.embedders.vectors import unit_vectors
from llm_engineering.infrastructure.embedders.window import check_window

if TYPE_CHECKING:
    from spacy.language import Language

BATCH = 256
# spaCy remembers each word that it meets; after so many texts it forgets them again.
_REMEMBERED_TEXTS = 1_000


def loaded(folder: Path) -> "Language":
    """Load a pipeline without its components.

    Raises:
        UsageError: spaCy cannot load it.
    """
    import spacy
    from spacy.util import load_config

    try:
        components = list(load_config(folder / "config.cfg").get("components", {}))
        return spacy.load(folder, exclude=components)
    except Exception as error:  # what files of a foreign version make the library raise can be anything
        raise UsageError(f"spaCy cannot load the pipeline in {folder}: {error}") from error


class SpacyTokenizer:
    """The words and signs of spaCy; white space is none."""

    special_tokens = 0

    def __init__(self, pipeline: "Language", max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self._pipeline = pipeline
        self._lock = Lock()
        self._zone: Any = None
        self._left = 0

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        with self.read(text) as words:
            return [(word.idx, word.idx + len(word)) for word in words if not word.is_space]

    def count(self, text: str) -> int:
        with self.read(text) as words:
            return sum(1 for word in words if not word.is_space)

    @contextmanager
    def read(self, text: str) -> Iterator[Any]:
        """Yield the text as spaCy's document, which is not to be kept."""
        with self._lock:
            if not self._left:
                self._forget()
            self._left -= 1
            yield self._pipeline.tokenizer(readable(text))

    def _forget(self) -> None:
        """Let spaCy forget the words that it met."""
        if self._zone is not None:
            self._zone.__exit__(None, None, None)
        self._zone = self._pipeline.memory_zone()
        self._zone.__enter__()
        self._left = _REMEMBERED_TEXTS


class SpacyEmbedder:
    """The mean of the vectors of a text's words, as a unit vector."""

    def __init__(self, card: ModelCard, tokenizer: SpacyTokenizer) -> None:
        self.card = card
        self._tokenizer = tokenizer

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        check_window([self._tokenizer.count(text) for text in texts], self.card.max_tokens)
        for start in range(0, len(texts), BATCH):
            yield list(enumerate(self._vectors(texts[start : start + BATCH]), start))

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a query; what exceeds the window does not count."""
        spans = self._tokenizer.spans(text)
        if len(spans) > self.card.max_tokens:
            text = text[: spans[self.card.max_tokens - 1][1]]
        return self._vectors([text])[0]

    def _vectors(self, texts: Sequence[str]) -> list[Vector]:
        found = np.stack([self._mean(text) for text in texts])
        return unit_vectors(found, self.card.name, "as its word vectors are")

    def _mean(self, text: str) -> NDArray[np.float32]:
        with self._tokenizer.read(text) as words:
            mean = np.asarray(words.vector, dtype=np.float32)
            return mean if mean.any() else spelling(words.text, [word.lower_ for word in words], self.card.dimension)


def spelling(text: str, words: Sequence[str], dimension: int) -> NDArray[np.float32]:
    """Return a vector of words that have none: the same words give the same, any others one that is far but by chance.

    >>> bool((spelling("Xyzzy", ["xyzzy"], 64) == spelling("xyzzy", ["xyzzy"], 64)).all())
    True
    """
    total = np.zeros(dimension, dtype=np.float32)
    for word in words if text.strip() else ():
        for place, sign in places(word, dimension):
            total[place] += sign
    if not total.any():  # no words, or some that cancel each other out
        total[0] = 1.0
    return total
