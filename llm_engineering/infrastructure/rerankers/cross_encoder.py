"""A cross-encoder of sentence-transformers: one score for a query and a passage that are read together."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.ports import Embedder
from llm_engineering.domain.value import Value

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder as LibraryModel


class CrossEncoder(Value):
    """Read query and passage together with a cross-encoder. Its weights can be pinned; no code of it is ever run."""

    kind: Literal["cross_encoder"] = "cross_encoder"
    model: str = Field(
        "",
        description="name on the Hugging Face hub, for example cross-encoder/ms-marco-MiniLM-L6-v2, a local folder, or "
        "registry:NAME[@NUMBER]",
    )
    registered: str = Field(
        "",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,62})?$",
        description="name in the registry: its version in production takes the place of `model` as soon as there is "
        "one; without a `model`, nothing is reranked until then",
    )
    revision: str | None = Field(None, description="commit on the hub; empty = the newest")
    digest: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="SHA-256 that the weights must have; empty = any (it is logged)"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto = a GPU where there is one")
    max_tokens: int | None = Field(
        None, ge=16, le=131_072, description="query and passage together; empty = the model's"
    )
    batch: int = Field(32, ge=1, le=4_096, description="pairs that are read at once")
    candidates: int = Field(30, ge=1, le=1_000, description="hits of the search that it reads")
    weight: float = Field(1.0, ge=0, le=1, description="its share of the score; the rest is the search's")

    @model_validator(mode="after")
    def _names_a_model(self) -> Self:
        if not self.model and not self.registered:
            raise ValueError("name a `model`, or one of the registry with `registered`")
        return self

    def resolved(self, home: Path) -> "CrossEncoder | None":
        """Return these settings with the very version of a registered model; None: there is no model yet.

        Raises:
            UsageError: there is no such version, or it is no reranker.
        """
        from llm_engineering.infrastructure.registries import exact, in_production, meant, name_in

        named = name_in(self.model)
        if named and (named == self.registered or not self.registered):
            model = meant(self.model, "reranker", home)
        elif not self.registered or (found := in_production(self.registered, "reranker", home)) is None:
            return self if self.model else None
        else:
            model = found
        return self.model_copy(update={"model": exact(model), "digest": model.weights, "revision": None})

    def open(self, home: Path, embedder: Embedder | None) -> "CrossEncoderModel":  # noqa: ARG002 - one signature
        """Verify and load the model.

        Raises:
            UsageError: the model is not here and cannot be fetched, has another digest, or is no cross-encoder.
        """
        from llm_engineering.infrastructure.embedders.encoder import chosen_device
        from llm_engineering.infrastructure.embedders.library_model import load_cross_encoder
        from llm_engineering.infrastructure.embedders.model_files import ModelFiles
        from llm_engineering.infrastructure.embedders.model_source import find_model

        files = ModelFiles(self.model, find_model(self.model, self.revision, home))
        files.verified_digest(self.digest)
        _check_kind(self.model, files.settings("config.json"))
        model = load_cross_encoder(files, chosen_device(self.device), what="reranker", max_tokens=self.max_tokens)
        return CrossEncoderModel(self, model)


class CrossEncoderModel:
    """A loaded cross-encoder."""

    def __init__(self, spec: CrossEncoder, model: "LibraryModel") -> None:
        self.name = spec.model
        self._spec = spec
        self._model = model

    def scores(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        from llm_engineering.infrastructure.embedders.tokenizer import readable

        if not texts:
            return []
        pairs = [(readable(query), readable(text)) for text in texts]
        try:
            given = self._model.predict(pairs, batch_size=self._spec.batch, show_progress_bar=False)
        except (RuntimeError, IndexError, ValueError) as error:  # out of memory; a text that the model cannot read
            raise BackendError(
                f"reranker {self.name!r} failed on {len(texts)} passages: {error}. A smaller batch needs less memory"
            ) from error
        scores = [float(score) for score in given]
        if len(scores) != len(texts) or not all(map(isfinite, scores)):
            raise BackendError(f"reranker {self.name!r} gave a score that is no number; try device cpu")
        return scores


def _check_kind(name: str, settings: "dict[str, object]") -> None:
    """Refuse a model that gives no single score: the library would put a random layer upon it and not say so."""
    architectures = settings.get("architectures") or []
    labels = settings.get("num_labels") or len(settings.get("id2label") or {}) or None  # type: ignore[arg-type]
    fits = isinstance(architectures, list) and any(
        str(kind).endswith("ForSequenceClassification") for kind in architectures
    )
    if not fits or (labels is not None and labels != 1):
        raise UsageError(
            f"model {name!r} is no cross-encoder: it must be made for sequence classification with one label "
            f"(architectures: {architectures}, labels: {labels}); for example cross-encoder/ms-marco-MiniLM-L6-v2"
        )
