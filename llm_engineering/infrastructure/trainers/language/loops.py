"""The trainers of TRL, with our token ids, our measure, and checkpoints without pickled weights."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import EarlyStoppingCallback, PrinterCallback
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import TrainingRecord
from llm_engineering.domain.training import Watch
from llm_engineering.infrastructure.trainers.checkpoints import Clock, newest_whole
from llm_engineering.infrastructure.trainers.language.settings import LanguageTraining
from llm_engineering.infrastructure.trainers.watching import Telling, curve
from llm_engineering.infrastructure.trainers.weights import SealedWeights, quiet

METRIC = "loss"
Measure = Callable[[], float]


class _Ours(SealedWeights):
    """What our trainers do otherwise than the library's. A mixin for them."""

    args: Any
    model: Any
    state: Any
    control: Any
    callback_handler: Any
    measure: Measure

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        """Leave the rows be: they are token ids already, made with the template that the model is served with."""
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *_: Any, **__: Any) -> Any:
        """Leave the rows be: they hold what the model thought of them before training."""
        return dataset

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Leave the library's model card be: the registry has a card of its own."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **rest: Any) -> Any:
        failpoints.reach("training.step")
        found = super().compute_loss(model, inputs, return_outputs=return_outputs, **rest)  # type: ignore[misc]
        loss = found[0] if return_outputs else found
        self.check_finite(loss)
        return found

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        metrics = {f"eval_{METRIC}": self.measure()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        # The library adds means over its own evaluation, which there was none of.
        getattr(self, "_metrics", {}).get("eval", {}).clear()
        super().log(logs, start_time)  # type: ignore[misc]


class SftLoop(_Ours, SFTTrainer):  # type: ignore[misc]
    """The library's trainer of instructions."""


class DpoLoop(_Ours, DPOTrainer):  # type: ignore[misc]
    """The library's trainer of preferences."""


LOOPS: Mapping[str, tuple[Any, Any]] = {"sft": (SftLoop, SFTConfig), "dpo": (DpoLoop, DPOConfig)}


def train(
    spec: LanguageTraining,
    given: Mapping[str, Any],
    arguments: Mapping[str, Any],
    measure: Callable[[Any], float] | None,
    folder: Path,
    watch: Watch,
) -> tuple[Any, TrainingRecord]:
    """Train, from the newest checkpoint in the folder if there is one; return the model and the record.

    `given` is what the library's trainer is made of (model, rows, adapters), `measure` the loss of a model on the
    validation split.

    Raises:
        UsageError: the loss became infinite or no number, or the library refuses the settings.
    """
    kind, settings = LOOPS[spec.kind]  # type: ignore[attr-defined]
    with Clock(folder) as clock, quiet(spec.threads), warnings.catch_warnings():
        # What the libraries will rename in each other's next version.
        warnings.simplefilter("ignore", FutureWarning)
        checkpoint = newest_whole(folder)
        try:
            loop: Any = kind(args=settings(**arguments), callbacks=[Telling(watch, clock, METRIC)], **given)
        except (ValueError, NotImplementedError) as error:
            raise UsageError(f"these settings cannot train {spec.base!r}: {error}") from error
        loop.remove_callback(PrinterCallback)
        if measure:
            loop.measure = lambda: measure(loop.model)
            if spec.patience:
                loop.add_callback(EarlyStoppingCallback(spec.patience))
        loop.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        state = loop.state
        return loop.model, TrainingRecord(
            steps=state.global_step,
            epochs=round(float(state.epoch or 0), 4),
            seed=spec.seed,
            seconds=round(clock.seconds, 3),
            cpu_seconds=round(clock.cpu_seconds, 3),
            resumed=clock.resumed,
            stopped_early=state.global_step < state.max_steps,
            best_step=state.best_global_step or state.global_step,
            device=loop.args.device.type,
            curve=curve(state.log_history, METRIC),
        )
