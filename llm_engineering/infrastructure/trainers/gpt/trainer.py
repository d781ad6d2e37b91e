"""The trainer of kind `gpt`: texts into a model that transformers loads."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from llm_engineering.domain.training import Texts, Trained, Watch, unwatched
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.trainers.finished import finished, keep_finished


class VocabularySettings(Value):
    """Section `vocabulary`: how text becomes numbers. It is learnt from the training texts alone."""

    kind: Literal["bpe", "words", "characters"] = Field("bpe", description="bpe knows every text there is")
    size: int = Field(1_024, ge=8, le=1_000_000, description="tokens at most, the special ones included")
    unknown: Literal["token", "refuse"] = Field(
        "token", description="what becomes of an unknown word or character: a token that says so, or an error"
    )


class GptTrainer(Value):
    """Train a GPT from random weights."""

    kind: Literal["gpt"] = "gpt"
    vocabulary: VocabularySettings = Field(default_factory=VocabularySettings)
    width: int = Field(256, ge=1, le=131_072, description="tokens that the model reads at once")
    stride: int | None = Field(
        None, ge=1, description="tokens between the beginnings of two windows to learn from; null = width / 4"
    )
    layers: int = Field(5, ge=1, le=512)
    heads: int = Field(4, ge=1, le=512)
    channels: int = Field(128, ge=1, le=65_536, description="numbers that a token is, inside the model")
    positions: Literal["learned", "rotary"] = Field("rotary", description="how the model knows where a token stands")
    tied: bool = Field(True, description="let the head share the weights of the token embeddings")
    dropout: float = Field(0.1, ge=0, lt=1, description="share left out, in training, of what layers add")
    attention: Literal["fused", "by_hand"] = Field("fused", description="PyTorch's kernel, or the one to be read")
    steps: int = Field(2_000, ge=1, le=100_000_000)
    batch: int = Field(4, ge=1, le=65_536, description="windows in a batch")
    accumulation: int = Field(1, ge=1, le=4_096, description="batches whose gradients make one step")
    learning_rate: float = Field(3e-3, gt=0, le=1, description="the highest; a cosine leads down from it")
    least: float = Field(0.1, ge=0, le=1, description="share of the learning rate that is left at the end")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    weight_decay: float = Field(0.1, ge=0, le=1)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.95, ge=0, lt=1)
    clip: float = Field(1.0, ge=0, description="longer gradients are shortened to it; 0 = never")
    evaluate_every: int = Field(100, ge=1, description="steps between two looks at the validation texts; each is kept")
    patience: int = Field(5, ge=0, le=1_000, description="looks without a gain before it stops; 0 = never")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto = bf16 where the CPU has AMX or the GPU has bf16; the weights are kept in fp32"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto = a GPU where there is one")
    threads: int = Field(0, ge=0, le=1_024, description="CPU threads; 0 = as torch decides")
    seed: int = Field(0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.channels % self.heads:
            raise ValueError(f"{self.channels} channels cannot be divided among {self.heads} heads; change one of them")
        if self.stride is not None and self.stride > self.width:
            raise ValueError(
                f"a stride of {self.stride} is more than the width of {self.width}, so the tokens between two windows "
                "would never be read; choose a stride of the width at most"
            )
        if self.positions == "rotary" and self.channels // self.heads % 2:
            raise ValueError(
                f"rotary positions turn pairs of channels, and each of {self.heads} heads has "
                f"{self.channels // self.heads} of the {self.channels}; choose an even number for each"
            )
        return self

    @property
    def spacing(self) -> int:
        """Tokens between the beginnings of two windows."""
        return self.stride or max(1, self.width // 4)

    @property
    def weights(self) -> int:
        """How many weights the model has at most: its vocabulary may become smaller than `vocabulary.size`."""
        blocks = self.layers * (12 * self.channels**2 + 13 * self.channels) + 2 * self.channels
        places = self.width if self.positions == "learned" else 0
        return blocks + self.channels * (self.vocabulary.size * (1 if self.tied else 2) + places)

    def __str__(self) -> str:
        return (
            f"a GPT of {self.layers} layers, {self.heads} heads and {self.channels} channels "
            f"({self.weights:,} weights at most), {self.width} tokens wide, {self.positions} positions, "
            f"{self.vocabulary.kind} of {self.vocabulary.size:,}"
        )

    def train(self, data: Texts, folder: Path, home: Path, watch: Watch = unwatched) -> Trained:  # noqa: ARG002 - as all trainers
        """Train on the texts, leave the model in the folder (`model`), and return how it went.

        Raises:
            UsageError: there is too little text, the loss became no number, or the folder holds a checkpoint of
                another configuration.
        """
        if known := finished(folder):
            return known
        from llm_engineering.infrastructure.trainers.gpt.run import Run

        return keep_finished(folder, Run(self, data, folder).finish(watch))
