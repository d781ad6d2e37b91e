"""The trainer of kind `gpt`: texts into a model that transformers loads."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from loguru import logger
from pydantic import Field, model_validator

from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import CurvePoint, TrainingRecord
from llm_engineering.domain.training import Texts, Trained, Watch, unwatched
from llm_engineering.domain.value import Value, digest
from llm_engineering.infrastructure.trainers.finished import finished, keep_finished
from llm_engineering.infrastructure.trainers.optimising import work_folders

if TYPE_CHECKING:
    from llm_engineering.infrastructure.trainers.checkpoints import Clock
    from llm_engineering.infrastructure.trainers.gpt.checkpoints import Progress
    from llm_engineering.infrastructure.trainers.gpt.model import Gpt
    from llm_engineering.infrastructure.trainers.gpt.training import Reader
    from llm_engineering.infrastructure.trainers.gpt.vocabulary import Vocabulary
    from llm_engineering.infrastructure.trainers.gpt.windows import Windows

T = TypeVar("T")


class VocabularySettings(Value):
    """Section `vocabulary`: how text becomes numbers. It is learnt from the training texts alone."""

    kind: Literal["bpe", "words", "characters"] = Field("bpe", description="bpe knows every text there is")
    size: int = Field(2_048, ge=8, le=1_000_000, description="tokens at most, the special ones included")
    unknown: Literal["token", "refuse"] = Field(
        "token", description="what becomes of an unknown word or character: a token that says so, or an error"
    )


class GptTrainer(Value):
    """Train a GPT from random weights."""

    kind: Literal["gpt"] = "gpt"
    vocabulary: VocabularySettings = Field(default_factory=VocabularySettings)
    width: int = Field(256, ge=1, le=131_072, description="tokens that the model reads at once")
    stride: int | None = Field(
        None, ge=1, description="tokens between the beginnings of two windows to learn from; null = half the width"
    )
    layers: int = Field(4, ge=1, le=512)
    heads: int = Field(4, ge=1, le=512)
    channels: int = Field(192, ge=1, le=65_536, description="numbers that a token is, inside the model")
    positions: Literal["learned", "rotary"] = Field("rotary", description="how the model knows where a token stands")
    tied: bool = Field(True, description="let the head share the weights of the token embeddings")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of activations left out in training")
    attention: Literal["fused", "by_hand"] = Field("fused", description="PyTorch's kernel, or the one to be read")
    steps: int = Field(1_000, ge=1, le=100_000_000)
    batch: int = Field(16, ge=1, le=65_536, description="windows in a batch")
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
        return self.stride or max(1, self.width // 2)

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
        return keep_finished(folder, _Training(self, data, folder).run(watch))


@dataclass
class _Training:
    spec: GptTrainer
    data: Texts
    folder: Path

    def run(self, watch: Watch) -> Trained:
        from llm_engineering.infrastructure.embedders.encoder import chosen_device, chosen_precision
        from llm_engineering.infrastructure.llms.templates import note_own_template
        from llm_engineering.infrastructure.trainers.checkpoints import Clock
        from llm_engineering.infrastructure.trainers.gpt import training
        from llm_engineering.infrastructure.trainers.gpt.export import export
        from llm_engineering.infrastructure.trainers.gpt.model import Gpt, GptSettings

        spec, (checkpoints, result) = self.spec, work_folders(self.folder)
        device = chosen_device(spec.device)
        vocabulary = learn_vocabulary(spec.vocabulary, self.data.train)
        reader = self._reader(vocabulary)
        settings = _named(GptSettings, spec, {"vocabulary": vocabulary.size})
        how = _named(training.Training, spec, {"precision": chosen_precision(spec.precision, device)})
        model = Gpt(settings, spec.seed).to(device)
        with Clock(checkpoints) as clock, _threads(spec.threads):

            def tell(point: CurvePoint) -> None:
                clock.tick()
                watch(point)

            progress = training.train(model, reader, how, checkpoints, tell)
            metrics = self._metrics(model, reader, vocabulary)
            record = self._record(progress, clock, reader.train)
        export(model, vocabulary, result)
        template = note_own_template(result)
        record = record.model_copy(update={"device": device, "precision": how.precision})
        return Trained(record=record, base="", base_digest="", template=template, metrics=dict(metrics))

    def _reader(self, vocabulary: "Vocabulary") -> "Reader":
        from llm_engineering.infrastructure.trainers.gpt.training import Reader

        train = windows_of(vocabulary, self.data.train, self.spec.width, self.spec.spacing)
        validation = tested_windows(vocabulary, self.data.validation, self.spec.width)
        if not len(validation):
            logger.warning("there is no validation text, so the model is not tested, and the last weights are taken")
        described = {
            "vocabulary": digest(vocabulary.described()),
            "texts": self.data.digest,
            "stride": self.spec.spacing,
        }
        return Reader(train, validation if len(validation) else None, described)

    def _metrics(self, model: "Gpt", reader: "Reader", vocabulary: "Vocabulary") -> Mapping[str, Estimate]:
        """Return loss, perplexity and bits per byte on validation, with intervals over windows."""
        from llm_engineering.infrastructure.trainers.gpt.training import window_losses
        from llm_engineering.infrastructure.trainers.measuring import estimate

        if reader.validation is None:
            return {}
        loss = estimate(window_losses(model, reader.validation).double().numpy(), self.spec.seed)
        tokens = len(reader.validation.ids)
        written = vocabulary.decode(reader.validation.ids.tolist()).encode("utf-8", "replace")
        bits = tokens / len(written) / math.log(2)
        return {
            "validation/loss": loss,
            "validation/perplexity": _changed(loss, math.exp),
            "validation/bits_per_byte": _changed(loss, lambda value: value * bits),
        }

    def _record(self, progress: "Progress", clock: "Clock", windows: "Windows") -> TrainingRecord:
        spec = self.spec
        return TrainingRecord(
            steps=progress.step,
            epochs=round(progress.step * spec.accumulation * spec.batch / len(windows), 4),
            rows=len(windows),
            seed=spec.seed,
            seconds=round(clock.seconds, 3),
            cpu_seconds=round(clock.cpu_seconds, 3),
            resumed=clock.resumed,
            stopped_early=progress.step < spec.steps,
            best_step=progress.best_step,
            curve=progress.curve,
        )


def learn_vocabulary(settings: VocabularySettings, texts: Sequence[str]) -> "Vocabulary":
    """Return the vocabulary of texts."""
    from llm_engineering.infrastructure.trainers.gpt.bpe import learn_bpe
    from llm_engineering.infrastructure.trainers.gpt.vocabulary import learn_pieces

    if settings.kind == "bpe":
        return learn_bpe(texts, settings.size)
    return learn_pieces(texts, settings.kind, settings.size, settings.unknown)


def tested_windows(vocabulary: "Vocabulary", texts: Sequence[str], width: int) -> "Windows":
    """Return windows that do not overlap over texts to be tested on; one that is narrower for texts that are short."""
    whole = windows_of(vocabulary, texts, width, width)
    narrow = max(1, min(width, len(whole.ids) - 1))
    return replace(whole, width=narrow, stride=narrow)


def windows_of(vocabulary: "Vocabulary", texts: Sequence[str], width: int, stride: int) -> "Windows":
    """Return the windows over the ids of texts."""
    import torch

    from llm_engineering.infrastructure.trainers.gpt.vocabulary import documents_to_ids
    from llm_engineering.infrastructure.trainers.gpt.windows import Windows

    return Windows(torch.tensor(documents_to_ids(vocabulary, texts), dtype=torch.long), width, stride)


def _named(kind: type[T], spec: GptTrainer, others: Mapping[str, object]) -> T:
    """Return a dataclass with the fields of the same names, and others."""
    names = [field.name for field in fields(kind) if field.name not in others]  # type: ignore[arg-type]
    return kind(**{name: getattr(spec, name) for name in names}, **others)


def _changed(estimate: Estimate, change: Callable[[float], float]) -> Estimate:
    """Return an estimate of something else, which rises with it."""
    bounds: dict[str, Any] = {name: round(change(getattr(estimate, name)), 6) for name in ("value", "low", "high")}
    return estimate.model_copy(update=bounds)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Use so many threads of the CPU; 0 leaves it to torch."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
