"""From text to sub-words and vectors."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.indexes import ModelCard


class SubwordTokenizer(Protocol):
    """The embedder's own tokenizer, for sizing chunks. It never truncates."""

    max_tokens: int  # the embedder's window, special tokens included
    special_tokens: int  # how many of them the special tokens take

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Return the character span [start, end) of each sub-word, in order, without special tokens."""
        ...

    def count(self, text: str) -> int:
        """Return how many positions of the window the text takes, special tokens included."""
        ...


class PassageVectors(Protocol):
    """Gives texts their vectors, for those who compare passages while they cut a text."""

    def of(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Return the unit-length vector of each text, in order; of one over the window, that of its beginning."""
        ...


class Embedder(Protocol):
    """Turns texts into unit-length vectors.

    Raises:
        BackendError: the model failed. There are never fewer vectors than texts.
    """

    card: ModelCard

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        """Yield batches of (position in `texts`, vector), in any order, each position exactly once.

        The batches are cut from the front of an order that depends on the texts alone: given what is left after some of
        them, the same texts in the same order make the same batches and, on the same machine, the same vectors.
        """
        ...

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a query; models with a query prompt apply it here."""
        ...
