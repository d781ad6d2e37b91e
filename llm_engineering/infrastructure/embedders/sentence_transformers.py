"""Embedding with a sentence-transformers model on this machine's CPU or GPU."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loguru import logger
from pydantic import Field

from llm_engineering.domain.indexes import ModelCard
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.cores import available_cores
from llm_engineering.infrastructure.embedders.model_files import ModelFiles
from llm_engineering.infrastructure.embedders.settings import EmbedderSettings
from llm_engineering.infrastructure.embedders.window import length_buckets

if TYPE_CHECKING:
    from llm_engineering.infrastructure.embedders.encoder import Encoder
    from llm_engineering.infrastructure.embedders.engines import Engine
    from llm_engineering.infrastructure.embedders.graph_encoder import GraphEncoder
    from llm_engineering.infrastructure.embedders.tokenizer import FileTokenizer

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
# What is known of models by name: the commit on the hub, and the SHA-256 of model.safetensors there.
PINNED = {
    DEFAULT_MODEL: (
        "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}


class SentenceTransformers(EmbedderSettings):
    """Embed with a model in the sentence-transformers format. Its weights are verified; no code of it is ever run."""

    kind: Literal["sentence_transformers"] = "sentence_transformers"
    model: str = Field(
        DEFAULT_MODEL,
        min_length=1,
        description="name on the Hugging Face hub, a local folder, or registry:NAME[@NUMBER]; the default comes with "
        "the installation",
    )
    registered: str = Field(
        "",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,62})?$",
        description="name in the registry: its version in production takes the place of `model` as soon as there "
        "is one",
    )
    revision: str | None = Field(None, description="commit on the hub; empty = the pinned one, or the newest")
    digest: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 that the weights must have; empty = the pinned one, or any (it is recorded and logged)",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto = a GPU where there is one")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="auto = bf16 where it is computed in hardware: on a GPU that has it, on a CPU with AMX and, in "
        "OpenVINO, AVX512-BF16 (two to five times as fast); else fp32",
    )
    token_budget: int | None = Field(
        None,
        ge=64,
        le=1_048_576,
        description="positions in one batch, padding included; empty = 1024 on a CPU, 4096 on a GPU",
    )
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0 = as the engine decides")
    max_tokens: int | None = Field(None, ge=16, le=131_072, description="window; empty = the model's own")
    query_prompt: str = Field("", description="put before each query, for models that want one ('query: ')")
    passage_prompt: str = Field("", description="put before each passage, for models that want one ('passage: ')")
    queries: Literal["auto", "onnx", "openvino", "torch"] = Field(
        "auto",
        description="what computes the vectors of queries; auto = OpenVINO in bf16, ONNX Runtime in fp32, which start "
        "in half a second, and torch where there is a GPU",
    )
    passages: Literal["auto", "onnx", "openvino", "torch"] = Field(
        "auto", description="what computes the vectors of passages; auto = as for queries"
    )
    onnx_up_to: int | None = Field(
        None,
        ge=0,
        description="runs of at most so many new and changed chunks are embedded by ONNX Runtime, in fp32; 0 = none; "
        "empty = those in fp32",
    )

    def open(self, home: Path) -> "Encoder":
        """Verify and load the model.

        Raises:
            UsageError: the model is not here and cannot be fetched, has another digest, or does not fit the settings.
        """
        from llm_engineering.infrastructure.embedders.encoder import Encoder

        spec = self.resolved(home)
        files = spec._files(home)
        return Encoder.load(spec, files, spec._card(files), spec._tokenizer(files))

    def open_queries(
        self, home: Path, *, lasting: bool = False, callers: int | None = None
    ) -> "Encoder | GraphEncoder":
        """Open the model for queries, without torch where another engine knows the model."""
        from llm_engineering.infrastructure.embedders.engines import MOST_CALLERS, engine_of_queries

        engine, places = engine_of_queries(self, lasting=lasting), min(callers or available_cores(), MOST_CALLERS)
        return self._without_torch(home, engine, threads=1, callers=places) or self.open(home)

    def open_run(self, home: Path, chunks: int) -> "Encoder | GraphEncoder":
        """Open the model for a run.

        Which engine computes depends on the chunks of the run, not on those that still lack a vector: a run that was
        killed and the one that resumes it have as many, so they use the same.
        """
        from llm_engineering.infrastructure.embedders.engines import engine_of_run, engine_threads

        engine, threads = engine_of_run(self, chunks), engine_threads(self)
        return self._without_torch(home, engine, threads, callers=1) or self.open(home)

    def open_tokenizer(self, home: Path) -> "FileTokenizer":
        """Return the model's tokenizer for sizing chunks; the passage prompt takes its part of the window."""
        spec = self.resolved(home)
        return spec._tokenizer(spec._files(home))

    def cuts(self, texts: Sequence[str], home: Path) -> Iterator[Sequence[int]]:
        """Yield the positions of the texts in the batches that the embedder cuts; the model is not loaded."""
        ids = self.open_tokenizer(home).ids(texts, self.passage_prompt)
        return length_buckets([len(tokens) for tokens in ids], self.batch_positions)

    def card(self, home: Path) -> ModelCard:
        """Identify the model by its files, without loading it."""
        spec = self.resolved(home)
        return spec._card(spec._files(home))

    def resolved(self, home: Path) -> "SentenceTransformers":
        """Return these settings with the very version of a registered model, so that they mean the same for ever.

        Raises:
            UsageError: there is no such version, or it is no embedder.
        """
        from llm_engineering.infrastructure.registries import exact, in_production, meant, name_in

        named = name_in(self.model)
        if named and (named == self.registered or not self.registered):
            model = meant(self.model, "embedder", home)
        elif not self.registered or (found := in_production(self.registered, "embedder", home)) is None:
            return self
        else:
            model = found
        return self.model_copy(update={"model": exact(model), "digest": model.weights, "revision": None})

    @property
    def batch_positions(self) -> int:
        """How many positions one batch has at most, padding included."""
        from llm_engineering.infrastructure.embedders.engines import on_gpu

        return self.token_budget or (4096 if on_gpu(self) else 1024)

    def names(self, model: str) -> bool:
        """Whether a model, named as in a card, is a version of the registered one that these settings name."""
        from llm_engineering.infrastructure.registries import SCHEME, name_in

        name = self.registered or ("" if "@" in self.model else name_in(self.model))
        return bool(name) and (model.startswith(f"{SCHEME}{name}@") or model == self.model)

    def _without_torch(self, home: Path, engine: "Engine", threads: int, callers: int) -> "GraphEncoder | None":
        """Return the model in another engine, or None, with a line in the log, if that does not know such models."""
        if engine == "torch":
            return None
        from llm_engineering.infrastructure.embedders.bert_graph import Unfit
        from llm_engineering.infrastructure.embedders.graph_encoder import GraphEncoder

        spec = self.resolved(home)
        files = spec._files(home)
        try:
            return GraphEncoder.load(spec, files, spec._card(files), spec._tokenizer(files), engine, threads, callers)
        except Unfit as reason:
            logger.info("model {} is computed in torch, not in {}: {}", spec.model, engine, reason)
            return None

    def _card(self, files: ModelFiles) -> ModelCard:
        weights = files.verified_digest(self.digest or PINNED.get(self.model, (None, None))[1])
        return ModelCard(
            name=self.model,
            # A passage prompt changes every vector, so it is part of what tells models apart.
            digest=digest([weights, self.passage_prompt]) if self.passage_prompt else weights,
            dimension=files.dimension,
            max_tokens=files.window(self.max_tokens),
            query_prompt=self.query_prompt,
            passage_prompt=self.passage_prompt,
        )

    def _tokenizer(self, files: ModelFiles) -> "FileTokenizer":
        from llm_engineering.infrastructure.embedders.tokenizer import FileTokenizer

        return FileTokenizer.load(files.tokenizer, files.window(self.max_tokens), self.passage_prompt)

    def _files(self, home: Path) -> ModelFiles:
        from llm_engineering.infrastructure.embedders.model_source import find_model

        folder = find_model(self.model, self.revision or PINNED.get(self.model, (None, None))[0], home)
        return ModelFiles(self.model, folder)
