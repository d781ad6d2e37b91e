"""Embed the lines of a file into a warehouse, in a process that can be killed: `HOME TEXTS LOG KIND`.

LOG gets the text hashes of each batch, a line a batch, as soon as it is computed.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llm_engineering.application.features import embed_chunks
from llm_engineering.domain.chunks import Chunk, Vector
from llm_engineering.domain.ports import Embedder
from llm_engineering.infrastructure.embedders import Hashing, SentenceTransformers
from llm_engineering.infrastructure.observability.progress import silent
from llm_engineering.infrastructure.warehouse import open_warehouse


class Logging:
    """An embedder that writes down what it computes."""

    def __init__(self, embedder: Embedder, log: Path) -> None:
        self.card = embedder.card
        self.embed_query = embedder.embed_query
        self._embedder = embedder
        self._log = log

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        for batch in self._embedder.embed(texts):
            with self._log.open("a") as log:
                log.write(" ".join(chunk(texts[position]).text_hash for position, _ in batch) + "\n")
            yield batch


def chunk(text: str) -> Chunk:
    """Return a chunk with this text."""
    return Chunk("document", "file:///a", "s", "", 0, 0, len(text), text, "", 0)


def main() -> None:
    """Embed."""
    home, texts, log, kind = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    settings: dict[str, Any] = {"passages": kind, "precision": "bf16" if kind == "openvino" else "auto"}
    spec = Hashing() if kind == "hashing" else SentenceTransformers(token_budget=512, threads=1, **settings)
    warehouse = open_warehouse(f"sqlite:///{home / 'warehouse.db'}")
    chunks = [chunk(line) for line in texts.read_text(encoding="utf-8").splitlines()]
    opened = lambda: Logging(spec.open_run(home, len(chunks)), log)  # noqa: E731
    for _ in embed_chunks(chunks, spec.card(home).digest, opened, warehouse, silent):
        pass
    warehouse.close()


if __name__ == "__main__":
    main()
