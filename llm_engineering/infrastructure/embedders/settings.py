"""What the settings of all embedders have in common."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from llm_engineering.domain.ports import Embedder
from llm_engineering.domain.value import Value

_TEXTS = 256


class EmbedderSettings(Value):
    """Settings of an embedder. A kind adds `card`, `open` and `open_tokenizer`; what is here, few have otherwise."""

    def open(self, home: Path) -> Embedder:
        """Open the embedder for passages and queries."""
        raise NotImplementedError

    def require(self) -> None:
        """Check what can be known before any work begins: that an extra is installed, that a key is set.

        Raises:
            UsageError: it is not; the message says what to type.
        """

    def open_queries(
        self,
        home: Path,
        *,
        lasting: bool = False,  # noqa: ARG002 - see SentenceTransformers
        callers: int | None = None,  # noqa: ARG002 - see SentenceTransformers
    ) -> Embedder:
        """Open it for queries: what starts soonest, or, where it is to be `lasting`, what answers fastest.

        `callers` is how many threads ask at the same time; None: as many as there are cores.
        """
        return self.open(home)

    def open_run(self, home: Path, chunks: int) -> Embedder:  # noqa: ARG002 - see SentenceTransformers
        """Open it for a run of so many chunks, those whose vector is known included."""
        return self.open(home)

    def cuts(self, texts: Sequence[str], home: Path) -> Iterator[Sequence[int]]:  # noqa: ARG002 - see SentenceTransformers
        """Yield the positions of the texts in the batches that are embedded one by one."""
        return (range(start, min(start + _TEXTS, len(texts))) for start in range(0, len(texts), _TEXTS))

    def resolved(self, home: Path) -> Self:  # noqa: ARG002 - see SentenceTransformers
        """Return these settings: no registry has versions of them."""
        return self

    def names(self, model: str) -> bool:  # noqa: ARG002 - see SentenceTransformers
        """Whether a model is a version of the registered one: never."""
        return False
