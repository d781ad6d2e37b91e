"""One fine-tuning from rows to a finished model; SFT and DPO differ in what they read and what they count."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from loguru import logger

from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.training import Trained, TrainingData, Watch
from llm_engineering.infrastructure.trainers.finished import finished, keep_finished
from llm_engineering.infrastructure.trainers.held_out import check_rows
from llm_engineering.infrastructure.trainers.language.examples import Example, Row, examples_of
from llm_engineering.infrastructure.trainers.language.settings import LanguageTraining
from llm_engineering.infrastructure.trainers.optimising import work_folders


@dataclass
class FineTuning(ABC, Generic[Row]):
    """A fine-tuning with its settings, its rows, and the folder that it works in."""

    spec: Any
    data: TrainingData[Row]
    folder: Path
    home: Path

    @abstractmethod
    def example(self, row: Row, template: Any) -> Example:
        """Return a row as token ids."""

    @abstractmethod
    def given(self, model: Any, train: Sequence[Example], longest: int) -> dict[str, Any]:
        """Return rows, and whatever else the library's trainer is made of, beside model and tokenizer."""

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Return the settings that are this trainer's own, in the words of the library."""

    @abstractmethod
    def measure(self, model: Any, validation: Sequence[Example]) -> Callable[[Any], float]:
        """Return the function that tells the loss of a model on rows; `model` is the one before training."""

    @abstractmethod
    def figures(self, model: Any, validation: Sequence[Example]) -> dict[str, Estimate]:
        """Return the figures of a model on rows."""

    def run(self, watch: Watch) -> Trained:
        """Train, leave the model in the folder (`model`), and return how it went.

        Raises:
            UsageError: rows that may not be learned from, a base that cannot be loaded, or a loss that is no number.
            BackendError: the memory does not suffice.
        """
        from llm_engineering.infrastructure.trainers.language.acceleration import chosen_machine
        from llm_engineering.infrastructure.trainers.language.loading import find_base

        check_rows(self.data)
        device, precision = chosen_machine(self.spec)
        base = find_base(self.spec, self.home)
        if (known := finished(self.folder)) and known.base_digest == base.digest:
            return known
        try:
            return keep_finished(self.folder, self._trained(base, device, precision, watch))
        except (MemoryError, RuntimeError) as error:
            if "out of memory" not in str(error).lower() and not isinstance(error, MemoryError):
                raise
            raise BackendError(
                f"the memory of {device} does not suffice to train {base.name!r}; use a smaller batch with more "
                "accumulation, gradient_checkpointing: true, lora: {}, or weights: nf4. `--dry-run` tells what it takes"
            ) from error

    def _trained(self, base: Any, device: str, precision: str, watch: Watch) -> Trained:
        from llm_engineering.infrastructure.embedders.library_model import quiet_transformers
        from llm_engineering.infrastructure.llms.templates import ChatTemplate

        with quiet_transformers():
            from llm_engineering.infrastructure.trainers.language import loading, loops
        from llm_engineering.infrastructure.trainers.starting import set_dropout

        spec: LanguageTraining = self.spec
        weights = spec.kept_in(precision)
        model, tokenizer, lora = self._loaded(base, weights, device)
        template, longest = ChatTemplate.of(tokenizer), loading.window(model, spec.max_tokens, base.name)
        train, left = examples_of(self.data.train, self.example, template, longest, self.data.reference)
        validation, _ = examples_of(self.data.validation, self.example, template, longest, self.data.reference)
        first = self.figures(model, validation) if validation else {}
        measure = self.measure(model, validation) if validation else None
        given = self.given(model, train, longest)
        set_dropout(model, spec.dropout)
        given |= {"model": model, "processing_class": tokenizer, "peft_config": lora}
        given |= {"eval_dataset": given["train_dataset"].select([0])} if validation else {}
        # Another base under the same name begins anew.
        folder = work_folders(self.folder)[0] / base.digest[:16]
        common = {"bf16": precision == "bf16", "max_length": longest}
        arguments = self._arguments(len(given["train_dataset"]), folder, chosen=bool(validation)) | common
        model, record = loops.train(spec, given, arguments, measure, folder, watch)
        del given
        model = loading.finished_model(model, base, weights)
        last = self.figures(model, validation) if validation else {}
        loading.save_language_model(model, base, template, work_folders(self.folder)[1])
        record = record.model_copy(
            update={"rows": len(train), "left_out": left, "precision": precision, "device": device}
        )
        return Trained(
            record=record,
            base=base.name,
            base_digest=base.digest,
            metrics={f"validation/{name}/before": figure for name, figure in first.items() if name in last}
            | {f"validation/{name}": figure for name, figure in last.items()},
            template=template.digest,
            notes=self._notes(template, left),
        )

    def _loaded(self, base: Any, weights: str, device: str) -> tuple[Any, Any, Any]:
        """Return model, tokenizer, and the adapters that the library is to put into the model; None if none."""
        from llm_engineering.infrastructure.trainers.language.acceleration import load_unsloth
        from llm_engineering.infrastructure.trainers.language.loading import load_base
        from llm_engineering.infrastructure.trainers.language.lora import adapters

        spec: LanguageTraining = self.spec
        if spec.accelerator == "unsloth":  # which puts adapters in by itself
            return *load_unsloth(spec, base.folder, weights), None
        model, tokenizer = load_base(base, weights, device)
        return model, tokenizer, adapters(spec.lora, model) if spec.lora else None

    def _arguments(self, rows: int, folder: Path, *, chosen: bool) -> dict[str, Any]:
        """Return the settings of the loop, in the words of the library."""
        from llm_engineering.infrastructure.trainers.arguments import loop_arguments

        spec: LanguageTraining = self.spec
        common = loop_arguments(spec, math.ceil(rows / spec.batch), folder, "eval_loss", higher=False, chosen=chosen)
        return common | {"activation_checkpointing": spec.gradient_checkpointing} | self.arguments()

    def _notes(self, template: Any, left: int) -> tuple[str, ...]:
        notes = []
        if not template.is_own:
            notes.append("the base has no chat template; a plain one (User: … Assistant: …) was given to it")
            logger.warning("{}", notes[-1])
        if left:
            notes.append(f"{left} rows were left out: too long, or with control tokens of the model in their text")
        return tuple(notes)
