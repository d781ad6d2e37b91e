"""From documents to features: clean, chunk, tokenize, embed. Each verb turns one stream of rows into the next.

In equals out: every stream keeps the order of its input, and a verb raises rather than drop a row.
"""

from collections.abc import Callable, Iterator, MutableMapping

from llm_engineering.application.attempts import Attempts, Broken
from llm_engineering.application.chunking import Chunker
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.embedding import ensure_vectors, windows
from llm_engineering.application.text import Tokenizing
from llm_engineering.application.works import Clean, Cut, InProcess, Tokenize, spread
from llm_engineering.domain.chunks import Chunk, ChunkTokens, ChunkVector
from llm_engineering.domain.documents import CleanedDocument, Document
from llm_engineering.domain.ports import Dataset, Embedder, Executor, Progress, SubwordTokenizer, Warehouse

HERE = InProcess()


def clean_documents(
    documents: Dataset[Document], cleaning: Cleaning, progress: Progress, executor: Executor = HERE
) -> Iterator[CleanedDocument]:
    """Clean each document. One that has nothing left keeps its place with an empty text, and so does one that a
    cleaner raised on: its outcome says why.

    Raises:
        UsageError: a cleaner failed for every one of many documents.
    """
    shown = progress(documents, "clean", total=len(documents), unit="doc")
    attempts = Attempts("cleaning")
    for document in spread(shown, _length, Clean(cleaning), executor):
        attempts.note(str(document.outcome["detail"]) if document.outcome.get("failed") else "")
        yield document
    attempts.judge()


def chunk_documents(
    documents: Dataset[CleanedDocument],
    chunker: Chunker,
    open_tokenizer: Callable[[], SubwordTokenizer],
    progress: Progress,
    executor: Executor = HERE,
    broken: MutableMapping[str, str] | None = None,
) -> Iterator[Chunk]:
    """Cut each document into chunks that fit the embedder's window and together cover all of its text.

    One that the chunker raises on has no chunks; `broken` is told its id and the reason.

    Raises:
        UsageError: the chunker failed for every one of many documents that have a text.
    """
    shown = progress(documents, "chunk", total=len(documents), unit="doc")
    attempts = Attempts("chunking")
    for chunks in spread(shown, _length, Cut(chunker, open_tokenizer), executor):
        if isinstance(chunks, Broken):
            attempts.note(chunks.detail)
            if broken is not None:
                broken[chunks.document_id] = chunks.detail
        elif chunks:
            attempts.note()
            yield from chunks
    attempts.judge()


def tokenize_chunks(
    chunks: Dataset[Chunk],
    tokenizing: Tokenizing,
    open_tokenizer: Callable[[], SubwordTokenizer],
    progress: Progress,
    executor: Executor = HERE,
) -> Iterator[ChunkTokens]:
    """Split each chunk into words, stems and sub-words, and weigh the stems as a BM25 sparse vector."""
    shown = progress(chunks, "tokenize", total=len(chunks), unit="chunk")
    return spread(shown, _length, Tokenize(tokenizing, open_tokenizer), executor)


def _length(row: Document | CleanedDocument | Chunk) -> int:
    return len(row.text)


def embed_chunks(
    chunks: Dataset[Chunk],
    model_digest: str,
    open_embedder: Callable[[], Embedder],
    warehouse: Warehouse,
    progress: Progress,
) -> Iterator[ChunkVector]:
    """Give each chunk its vector: the warehouse's if the model has embedded this text before, else a new one.

    New vectors are kept as soon as their batch is done, so a killed run pays for at most one batch twice. The embedder
    is opened only if a vector is missing.

    Raises:
        BackendError: the embedder failed for good, or returned what is no vector for each of the texts.
    """
    ensured = ensure_vectors(chunks, model_digest, open_embedder, warehouse)
    fresh = {key for key, is_new in progress(ensured, "embed", total=len(chunks), unit="chunk") if is_new}
    for window in windows(chunks):
        vectors = warehouse.vectors(model_digest, {chunk.text_hash for chunk in window})
        for chunk in window:
            key = chunk.text_hash
            yield ChunkVector(chunk.id, vectors[key], reused=key not in fresh)
            # A text that stands in two chunks was embedded for the first and is reused for the second.
            fresh.discard(key)
