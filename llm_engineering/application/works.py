"""The work inside the steps from documents to features, as values that can be sent to other processes and machines."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from llm_engineering.application.attempts import Broken, cleaned, cut
from llm_engineering.application.chunking import Chunker
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.text import Tokenizing
from llm_engineering.domain.chunks import Chunk, ChunkTokens, Vector
from llm_engineering.domain.documents import CleanedDocument, Document
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.ports import Embedder, Executor, SubwordTokenizer, Work

T = TypeVar("T")
U = TypeVar("U")

# A batch ends after so many rows, or with the row that brings its texts to so many characters.
ROWS = 64
CHARACTERS = 500_000


@dataclass(frozen=True)
class Clean:
    """Clean documents."""

    cleaning: Cleaning

    def open(self) -> Callable[[Sequence[Document]], list[CleanedDocument]]:
        return lambda documents: [cleaned(self.cleaning, document) for document in documents]


@dataclass(frozen=True)
class Cut:
    """Cut documents into chunks; the chunks of each document are a list of their own, or it is told why not."""

    chunker: Chunker
    open_tokenizer: Callable[[], SubwordTokenizer]

    def open(self) -> Callable[[Sequence[CleanedDocument]], list[list[Chunk] | Broken]]:
        tokenizer = self.open_tokenizer()
        return lambda documents: [cut(self.chunker, document, tokenizer) for document in documents]


@dataclass(frozen=True)
class Tokenize:
    """Split chunks into words, stems and sub-words."""

    tokenizing: Tokenizing
    open_tokenizer: Callable[[], SubwordTokenizer]

    def open(self) -> Callable[[Sequence[Chunk]], list[ChunkTokens]]:
        tokenizer = self.open_tokenizer()
        return lambda chunks: [self.tokenizing.tokens(chunk, tokenizer) for chunk in chunks]


@dataclass(frozen=True)
class Embed:
    """Embed texts that are one batch of the embedder.

    Raises:
        BackendError: the worker has another model than the run.
    """

    open_embedder: Callable[[], Embedder]
    digest: str

    def open(self) -> Callable[[Sequence[str]], list[Vector]]:
        embedder = self.open_embedder()
        if embedder.card.digest != self.digest:
            raise BackendError(
                f"a worker opened model {embedder.card.name!r} with digest {embedder.card.digest[:12]}, the run has "
                f"{self.digest[:12]}; give all machines the same files"
            )

        def embed(texts: Sequence[str]) -> list[Vector]:
            found = {place: vector for batch in embedder.embed(texts) for place, vector in batch}
            return [found[place] for place in range(len(texts))]

        return embed


class InProcess:
    """The port `Executor` without other processes: each batch is done when its results are asked for."""

    def map(self, work: Work[T, U], batches: Iterable[Sequence[T]]) -> Iterator[Sequence[U]]:
        do = work.open()
        return (do(batch) for batch in batches)


def spread(rows: Iterable[T], size: Callable[[T], int], work: Work[T, U], executor: Executor) -> Iterator[U]:
    """Yield the results of the work on rows, in their order; `size` says how many characters a row has."""
    for results in executor.map(work, batched(rows, size)):
        yield from results


def batched(rows: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """Divide rows into batches that are bounded by number and by size.

    >>> list(batched(["ab", "c"] * 2, lambda text: 250_000 * len(text)))
    [['ab'], ['c', 'ab'], ['c']]
    """
    batch: list[T] = []
    total = 0
    for row in rows:
        batch.append(row)
        total += size(row)
        if len(batch) >= ROWS or total >= CHARACTERS:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch
