"""The trainers of sentence-transformers, with our batches, our losses, and checkpoints without pickled weights."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, PrinterCallback

from llm_engineering.domain import failpoints
from llm_engineering.domain.models import TrainingRecord
from llm_engineering.domain.training import Watch
from llm_engineering.infrastructure.trainers.arguments import loop_arguments
from llm_engineering.infrastructure.trainers.batches import Rows, SpreadBatches
from llm_engineering.infrastructure.trainers.checkpoints import Clock, newest_whole
from llm_engineering.infrastructure.trainers.optimising import Optimising
from llm_engineering.infrastructure.trainers.watching import Telling, curve
from llm_engineering.infrastructure.trainers.weights import SealedWeights, quiet

METRIC = "ndcg@10"
Measure = Callable[[], Mapping[str, float]]


class _Measuring(BaseEvaluator):
    """The library asks for an evaluator; ours needs neither its model nor its folders."""

    def __init__(self, measure: Measure) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.measure = measure

    def __call__(self, *_: Any, **__: Any) -> dict[str, float]:
        return dict(self.measure())


class _Ours(SealedWeights):
    """What our trainers do otherwise than the library's. A mixin for them."""

    args: Any
    model: Any
    loss: Any
    state: Any
    control: Any
    evaluator: Any
    callback_handler: Any
    accelerator: Any
    sampler: SpreadBatches
    collate: Any

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leave the library's model card be: the registry has a card of its own."""

    def get_train_dataloader(self) -> Any:
        loader: Any = DataLoader(
            Rows(self.sampler.count),  # type: ignore[arg-type]
            batch_sampler=self.sampler,
            collate_fn=self.collate,
        )
        return self.accelerator.prepare(loader)

    def training_step(self, *given: Any, **named: Any) -> Any:
        self.model.train()
        self.loss.refresh()
        loss = super().training_step(*given, **named)  # type: ignore[misc]
        self.loss.collect()
        return loss

    def compute_loss(
        self,
        model: Any,  # noqa: ARG002 - the signature of the library
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002
    ) -> Any:
        failpoints.reach("training.step")
        loss = self.loss(inputs)
        self.check_finite(loss)
        return (loss, {}) if return_outputs else loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        metrics = {f"eval_{name}": value for name, value in self.evaluator().items()}
        self.log(metrics)  # type: ignore[attr-defined]
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class EmbedderLoop(_Ours, SentenceTransformerTrainer):
    """The library's trainer of embedders."""


class RerankerLoop(_Ours, CrossEncoderTrainer):
    """The library's trainer of cross-encoders."""


def train(
    spec: Optimising,
    model: Any,
    loss: Any,
    batches: tuple[SpreadBatches, Any],
    measure: Measure | None,
    folder: Path,
    watch: Watch,
) -> TrainingRecord:
    """Train the model in place, from the newest checkpoint in the folder if there is one; return the record.

    Raises:
        UsageError: the loss became infinite or no number.
    """
    kind, arguments = _kinds_for(model)
    with Clock(folder) as clock, quiet(spec.threads):
        checkpoint = newest_whole(folder)
        chosen = measure is not None
        settings = loop_arguments(spec, len(batches[0]), folder, f"eval_{METRIC}", higher=True, chosen=chosen)
        loop: Any = kind(
            model=model,
            args=arguments(**settings),
            loss=loss,
            evaluator=_Measuring(measure) if measure else None,
            callbacks=[Telling(watch, clock, METRIC)],
        )
        loop.sampler, loop.collate = batches
        loop.remove_callback(PrinterCallback)
        if measure and spec.patience:
            loop.add_callback(EarlyStoppingCallback(spec.patience))
        loop.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        state = loop.state
        return TrainingRecord(
            steps=state.global_step,
            epochs=round(float(state.epoch or 0), 4),
            rows=batches[0].count,
            seed=spec.seed,
            seconds=round(clock.seconds, 3),
            cpu_seconds=round(clock.cpu_seconds, 3),
            resumed=clock.resumed,
            stopped_early=state.global_step < state.max_steps,
            best_step=state.best_global_step or state.global_step,
            device=loop.args.device.type,
            curve=curve(state.log_history, METRIC),
        )


def _kinds_for(model: Any) -> tuple[Any, Any]:
    """Return the library's trainer for a model, with ours in it, and the library's settings for that."""
    if hasattr(model, "encode"):
        return EmbedderLoop, SentenceTransformerTrainingArguments
    return RerankerLoop, CrossEncoderTrainingArguments
