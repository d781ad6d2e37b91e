"""The tokens of a chunk, and BM25 as a sparse vector.

A term's weight in a chunk is BM25's saturated frequency (Robertson and Zaragoza 2009)

    tf · (k1 + 1) / (tf + k1 · (1 - b + b · length / average_length))

and in a query 1. The store multiplies with the inverse document frequency when it searches. `average_length` is a
setting and no count: a chunk's vector does not depend on the rest of the corpus, so an index can grow chunk by chunk.
"""

from collections import Counter
from functools import lru_cache
from hashlib import blake2b
from typing import Literal

from pydantic import Field

from llm_engineering.application.text.spacy_pipeline import SpacyPipeline
from llm_engineering.application.text.stems import Language
from llm_engineering.application.text.words import stems, terms, words
from llm_engineering.domain.chunks import Chunk, ChunkTokens, SparseVector
from llm_engineering.domain.ports import SubwordTokenizer
from llm_engineering.domain.value import Value

ENGLISH_STOP_WORDS = frozenset(
    [
        "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "do", "does", "did", "for", "from", "had",
        "has", "have", "he", "her", "his", "i", "if", "in", "into", "is", "it", "its", "me", "my", "of", "on", "or",
        "our", "she", "so", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was",
        "we", "were", "will", "with", "you", "your",
    ]
)  # fmt: skip


class Tokenizing(Value):
    """How chunks and queries become words, stems and BM25 vectors. Both sides must use the same settings."""

    language: Language = Field("english", description="whose endings are cut off; `none` keeps words as written")
    k1: float = Field(1.5, ge=0, le=10, description="how late repeated terms stop counting; 0 counts presence only")
    b: float = Field(0.85, ge=0, le=1, description="how much long chunks are held back; 0 not at all")
    average_length: float = Field(100.0, gt=0, description="words in a typical chunk; a constant, see the module")
    stop_words: Literal["none", "english"] | tuple[str, ...] = Field(
        "none", description="words without a weight: none, a short English list, or your own"
    )

    lemmas: SpacyPipeline | None = Field(
        None,
        # Indexes that were made before there was a choice keep their fingerprint.
        exclude_if=lambda lemmas: lemmas is None,
        description="a spaCy pipeline whose lemmas take the place of stems; needs the extra `spacy`",
    )

    def require(self) -> None:
        """Refuse to go on without the extra, or with a pipeline that has no lemmas.

        Raises:
            UsageError: says what to type or set.
        """
        if self.lemmas is not None:
            self.lemmas.check(lemmas=True)

    def tokens(self, chunk: Chunk, tokenizer: SubwordTokenizer) -> ChunkTokens:
        """Return the tokens of what the embedder sees of the chunk; `tokenizer` is the embedder's own."""
        text = chunk.embedded_text
        return ChunkTokens(
            chunk_id=chunk.id,
            words=words(text),
            stems=stems(text, self.language) if self.lemmas is None else tuple(self.lemmas.terms(text)),
            subwords=tuple(text[start:end] for start, end in tokenizer.spans(text)),
            sparse=self.sparse(text),
        )

    def sparse(self, text: str) -> SparseVector:
        """Return the BM25 vector of a passage, without the inverse document frequency."""
        counts = self._counts(text)
        length = sum(counts.values())
        slack = self.k1 * (1 - self.b + self.b * length / self.average_length)
        return _vector({term: count * (self.k1 + 1) / (count + slack) for term, count in counts.items()})

    def query(self, text: str) -> SparseVector:
        """Return the vector of a query: 1 for each distinct term."""
        return _vector(dict.fromkeys(self._counts(text), 1.0))

    def _counts(self, text: str) -> Counter[str]:
        ignored = self._ignored
        found = terms(text, self.language) if self.lemmas is None else self.lemmas.terms(text)
        return Counter(term for term in found if term not in ignored)

    @property
    def _ignored(self) -> frozenset[str]:
        if self.stop_words == "none":
            return frozenset()
        chosen = ENGLISH_STOP_WORDS if self.stop_words == "english" else frozenset(self.stop_words)
        return _stems_of(chosen, self.language) if self.lemmas is None else chosen


@lru_cache(maxsize=16)
def _stems_of(chosen: frozenset[str], language: Language) -> frozenset[str]:
    return frozenset(stems(" ".join(chosen), language))


@lru_cache(maxsize=200_000)
def term_id(term: str) -> int:
    """Return the unsigned 32-bit id of a term: the first 4 bytes of its BLAKE2b, the same on every machine."""
    return int.from_bytes(blake2b(term.encode(), digest_size=4).digest(), "big")


def _vector(weights: dict[str, float]) -> SparseVector:
    """Return the weights by term id, ascending. Two terms with the same id (1 in 4 billion pairs) add up."""
    by_id: dict[int, float] = {}
    for term, weight in weights.items():
        by_id[term_id(term)] = by_id.get(term_id(term), 0.0) + weight
    indices = tuple(sorted(by_id))
    return SparseVector(indices, tuple(by_id[index] for index in indices))
