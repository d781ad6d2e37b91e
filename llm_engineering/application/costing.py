"""Say what a run will cost before it is paid: chunks, tokens, vectors that are missing, minutes.

Cutting documents into chunks is cheap and needs no model, so it is simply done; embedding is what costs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from time import perf_counter

from llm_engineering.application.attempts import Broken, cleaned, cut
from llm_engineering.application.chunking import Chunker
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.domain.chunks import Chunk, Vector
from llm_engineering.domain.costs import GUESS, Cost, EmbeddingRate
from llm_engineering.domain.documents import Document
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.domain.ports import Embedder, SubwordTokenizer, Warehouse

WINDOW = 4_096


def chunks_of(
    documents: Iterable[Document], cleaning: Cleaning, chunker: Chunker, tokenizer: SubwordTokenizer
) -> Iterator[Chunk]:
    """Yield the chunks that documents are cut into, one document in memory at a time."""
    for document in documents:
        chunks = cut(chunker, cleaned(cleaning, document), tokenizer)
        yield from () if isinstance(chunks, Broken) else chunks


def cost_of_chunks(chunks: Iterable[Chunk], model_digest: str, warehouse: Warehouse) -> Cost:
    """Return what it costs to embed chunks, by the rate that earlier runs with this model were measured at.

    `documents` counts those that have chunks.
    """
    documents = count = tokens = missing_tokens = 0
    last, missing = "", set[bytes]()
    rows = iter(chunks)
    while window := list(islice(rows, WINDOW)):
        known = warehouse.known_vectors(model_digest, {chunk.text_hash for chunk in window})
        for chunk in window:
            documents += chunk.document_id != last
            last = chunk.document_id
            count += 1
            tokens += chunk.tokens
            # Half a hash is enough to tell texts apart, and there may be millions.
            mark = bytes.fromhex(chunk.text_hash[:32])
            if chunk.text_hash not in known and mark not in missing:
                missing.add(mark)
                missing_tokens += chunk.tokens
    rate = warehouse.embedding_rate(model_digest) or GUESS
    return Cost(
        documents=documents,
        chunks=count,
        tokens=tokens,
        to_embed=len(missing),
        tokens_to_embed=missing_tokens,
        minutes=round(rate.seconds_for(missing_tokens) / 60, 2),
        basis=rate.basis,
    )


class Stopwatch:
    """Measures an embedder at work: how long it takes to open, and to embed."""

    def __init__(self, open_embedder: Callable[[], Embedder]) -> None:
        self.opening = 0.0
        self.seconds = 0.0
        self._open = open_embedder

    def open(self) -> Embedder:
        """Open the embedder and return it, measured."""
        started = perf_counter()
        embedder = self._open()
        self.opening += perf_counter() - started
        return _Measured(embedder, self)

    def rate(self, tokens: int) -> EmbeddingRate:
        """Return the rate at which these tokens were embedded."""
        return EmbeddingRate(tokens=tokens, seconds=self.seconds, opening=self.opening, runs=1)


class _Measured:
    """The port `Embedder`, with the clock running while it embeds and standing while its vectors are stored."""

    def __init__(self, embedder: Embedder, stopwatch: Stopwatch) -> None:
        self.card: ModelCard = embedder.card
        self._embedder = embedder
        self._stopwatch = stopwatch

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        batches = iter(self._embedder.embed(texts))
        while True:
            started = perf_counter()
            batch = next(batches, None)
            self._stopwatch.seconds += perf_counter() - started
            if batch is None:
                return
            yield batch

    def embed_query(self, text: str) -> Vector:
        return self._embedder.embed_query(text)
