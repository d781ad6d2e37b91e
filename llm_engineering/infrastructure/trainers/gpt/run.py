"""One training of a GPT: a vocabulary, windows, the loop, the measures, and the files that others load."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from loguru import logger

from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import CurvePoint, TrainingRecord
from llm_engineering.domain.training import Texts, Trained, Watch
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders.encoder import chosen_device, chosen_precision
from llm_engineering.infrastructure.llms.templates import note_own_template
from llm_engineering.infrastructure.trainers.checkpoints import Clock
from llm_engineering.infrastructure.trainers.gpt.bpe import learn_bpe
from llm_engineering.infrastructure.trainers.gpt.checkpoints import Progress
from llm_engineering.infrastructure.trainers.gpt.export import export
from llm_engineering.infrastructure.trainers.gpt.model import Gpt, GptSettings
from llm_engineering.infrastructure.trainers.gpt.trainer import GptTrainer, VocabularySettings
from llm_engineering.infrastructure.trainers.gpt.training import Reader, Training, train, window_losses
from llm_engineering.infrastructure.trainers.gpt.vocabulary import Vocabulary, learn_pieces
from llm_engineering.infrastructure.trainers.gpt.windows import Windows, tested_windows, windows_of
from llm_engineering.infrastructure.trainers.measuring import estimate
from llm_engineering.infrastructure.trainers.optimising import work_folders

T = TypeVar("T")


@dataclass
class Run:
    """A training on its way."""

    spec: GptTrainer
    data: Texts
    folder: Path

    def finish(self, watch: Watch) -> Trained:
        """Train until the end, and leave the model in the folder."""
        spec, (checkpoints, result) = self.spec, work_folders(self.folder)
        device = chosen_device(spec.device)
        vocabulary = learn_vocabulary(spec.vocabulary, self.data.train)
        reader = self._reader(vocabulary)
        settings = _named(GptSettings, spec, {"vocabulary": vocabulary.size})
        how = _named(Training, spec, {"precision": chosen_precision(spec.precision, device)})
        model = Gpt(settings, spec.seed).to(device)
        with Clock(checkpoints) as clock, _threads(spec.threads):

            def tell(point: CurvePoint) -> None:
                clock.tick()
                watch(point)

            progress = train(model, reader, how, checkpoints, tell)
            metrics = self._metrics(model, reader)
            record = self._record(progress, clock, reader.train)
        export(model, vocabulary, result)
        template = note_own_template(result)
        record = record.model_copy(update={"device": device, "precision": how.precision})
        return Trained(
            record=record, base="", base_digest="", template=template, metrics=dict(metrics),
            notes=_notes(metrics, vocabulary.size, spec),
        )  # fmt: skip

    def _reader(self, vocabulary: Vocabulary) -> Reader:
        learnt = windows_of(vocabulary, self.data.train, self.spec.width, self.spec.spacing)
        validation = tested_windows(vocabulary, self.data.validation, self.spec.width)
        if not len(validation):
            logger.warning("there is no validation text, so the model is not tested, and the last weights are taken")
        described = {
            "vocabulary": digest(vocabulary.described()),
            "texts": self.data.digest,
            "stride": self.spec.spacing,
        }
        return Reader(learnt, validation if len(validation) else None, described)

    def _metrics(self, model: Gpt, reader: Reader) -> Mapping[str, Estimate]:
        """Return loss, perplexity and bits per byte on validation, with intervals over windows."""
        if reader.validation is None:
            return {}
        loss = estimate(window_losses(model, reader.validation).double().numpy(), self.spec.seed)
        # Of the texts themselves: what a vocabulary calls unknown, and how it ends a document, would flatter it.
        written = sum(len(text.encode("utf-8", "replace")) for text in self.data.validation)
        bits = len(reader.validation.ids) / written / math.log(2)
        return {
            "validation/loss": loss,
            "validation/perplexity": _changed(loss, math.exp),
            "validation/bits_per_byte": _changed(loss, lambda value: value * bits),
        }

    def _record(self, progress: Progress, clock: Clock, windows: Windows) -> TrainingRecord:
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


def _notes(metrics: Mapping[str, Estimate], size: int, spec: GptTrainer) -> tuple[str, ...]:
    """Return what the user should know: that the model guesses worse than one which finds all tokens equally likely."""
    loss, blind = metrics.get("validation/loss"), math.log(size)
    if loss is None or loss.value < blind:
        return ()
    return (
        f"a model that has learnt nothing would do better ({blind:.3f}): use a lower learning_rate (it is "
        f"{spec.learning_rate:g}), a clip of 1 (it is {spec.clip:g}) or more steps",
    )


def learn_vocabulary(settings: VocabularySettings, texts: Sequence[str]) -> Vocabulary:
    """Return the vocabulary of texts."""
    if settings.kind == "bpe":
        return learn_bpe(texts, settings.size)
    return learn_pieces(texts, settings.kind, settings.size, settings.unknown)


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
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
