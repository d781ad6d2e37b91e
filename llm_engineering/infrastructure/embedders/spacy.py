"""Embedding with the word vectors of a spaCy pipeline: the mean over a text's words. Fast, small, and coarse."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders.settings import EmbedderSettings

if TYPE_CHECKING:
    from llm_engineering.infrastructure.embedders.spacy_embedder import SpacyEmbedder, SpacyTokenizer

ALGORITHM = 1  # counts the changes of what the embedder makes of the same pipeline: another number is another model
# What decides the vectors of texts, under the pipeline's folder. Components have no part in it, and are not loaded.
DECISIVE = ("tokenizer", "vocab/vectors", "vocab/key2row", "vocab/vectors.cfg")


class Spacy(EmbedderSettings):
    """Embed with a spaCy pipeline that has word vectors, such as en_core_web_md.

    A text of which spaCy knows no word has no mean. It gets a vector of its words' spellings, so that it is found by
    the same words and is near to nothing else but by chance.
    """

    kind: Literal["spacy"] = "spacy"
    pipeline: str = Field(min_length=1, description="name of an installed pipeline with vectors, or its folder")
    max_tokens: int = Field(256, ge=16, le=8192, description="window in words that chunks are cut for")

    def require(self) -> None:
        """Check that spaCy is installed, and the pipeline."""
        if find_spec("spacy") is None:
            raise UsageError("embedding with kind 'spacy' needs the extra 'spacy'; type: poetry install --extras spacy")
        self.folder()

    def open(self, home: Path) -> "SpacyEmbedder":
        """Load the pipeline's tokenizer and vectors.

        Raises:
            UsageError: the extra or the pipeline is missing, or the pipeline has no vectors.
        """
        from llm_engineering.infrastructure.embedders.spacy_embedder import SpacyEmbedder

        return SpacyEmbedder(self.card(home), self.open_tokenizer(home))

    def open_tokenizer(self, home: Path) -> "SpacyTokenizer":  # noqa: ARG002 - the signature of every embedder
        """Return the pipeline's tokenizer."""
        self.require()
        from llm_engineering.infrastructure.embedders.spacy_embedder import SpacyTokenizer, loaded

        return SpacyTokenizer(loaded(self.folder()), self.max_tokens)

    def card(self, home: Path) -> ModelCard:  # noqa: ARG002 - the signature of every embedder
        """Identify the vectors by the files that decide them, without loading the pipeline."""
        from llm_engineering.infrastructure.embedders.model_files import sha256_of

        self.require()
        folder = self.folder()
        dimension = self._dimension(folder)
        files = {name: sha256_of(folder / name) for name in DECISIVE if (folder / name).is_file()}
        return ModelCard(
            name=folder.name if Path(self.pipeline).is_dir() else self.pipeline,
            digest=digest(["spacy", ALGORITHM, dimension, files]),
            dimension=dimension,
            max_tokens=self.max_tokens,
        )

    def folder(self) -> Path:
        """Return the folder of the pipeline's files; code of its package is not run.

        Raises:
            UsageError: there is none.
        """
        given = Path(self.pipeline).expanduser()
        spec = find_spec(self.pipeline) if self.pipeline.isidentifier() else None
        places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
        # A package holds its files in a folder with its version: en_core_web_md/en_core_web_md-3.8.0.
        candidates = [given, *(path for place in places for path in sorted(place.glob(f"{self.pipeline}-*")))]
        for folder in candidates:
            if (folder / "config.cfg").is_file():
                return folder.resolve()
        raise UsageError(
            f"there is no spaCy pipeline {self.pipeline!r}: no folder with a config.cfg, no installed package. Install "
            "one with vectors (python -m spacy download en_core_web_md), or set `embedding.pipeline` to its folder"
        )

    def _dimension(self, folder: Path) -> int:
        import numpy as np

        try:
            shape = np.load(folder / "vocab" / "vectors", mmap_mode="r", allow_pickle=False).shape
        except (OSError, ValueError, EOFError) as error:
            raise UsageError(f"the word vectors of spaCy pipeline {self.pipeline!r} cannot be read: {error}") from error
        if len(shape) != 2 or not shape[0] or not shape[1]:
            raise UsageError(
                f"spaCy pipeline {self.pipeline!r} has no word vectors; use one of those whose names end in _md or _lg"
            )
        return int(shape[1])
