"""Vectors for chunkers: embedded once for each text and model, and kept in the warehouse."""

from collections.abc import Callable, Sequence
from hashlib import sha256

from llm_engineering.application.embedding import missing_vectors
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.ports import Embedder, SubwordTokenizer, Warehouse


class KeptVectors:
    """The port `PassageVectors`: the embedder is opened only if a vector is missing, and counts what it did.

    Without a warehouse, vectors are kept in memory only.
    """

    def __init__(
        self,
        model_digest: str,
        tokenizer: SubwordTokenizer,
        open_embedder: Callable[[], Embedder],
        warehouse: Warehouse | None = None,
    ) -> None:
        self.embedded = 0
        self.reused = 0
        self._digest = model_digest
        self._tokenizer = tokenizer
        self._open = open_embedder
        self._embedder: Embedder | None = None
        self._warehouse = warehouse

    def of(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Return the vector of each text; of one over the model's window, that of its beginning."""
        short = [self._fitting(text) for text in texts]
        keys = [sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in short]
        wanted = dict(zip(keys, short, strict=True))
        found = dict(self._warehouse.vectors(self._digest, wanted.keys())) if self._warehouse else {}
        missing = {key: wanted[key] for key in sorted(wanted.keys() - found.keys())}
        self.reused += len(found)
        if missing:
            self._embedder = self._embedder or self._open()
            for done in missing_vectors(missing, self._embedder):
                if self._warehouse:
                    self._warehouse.put_vectors(self._digest, done)
                found |= done
            self.embedded += len(missing)
        return [found[key] for key in keys]

    def _fitting(self, text: str) -> str:
        tokenizer = self._tokenizer
        room = tokenizer.max_tokens - tokenizer.special_tokens
        while tokenizer.count(text) > tokenizer.max_tokens and len(text) > 1:
            spans = tokenizer.spans(text)
            end = spans[room - 1][1] if 0 < room < len(spans) else len(text) - 1
            text = text[: max(1, end)] if end < len(text) else text[: len(text) // 2]
            room -= 1
        return text
