"""Supervised fine-tuning: a language model learns the answers of instructions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from llm_engineering.domain.datasets import DatasetRow
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.instructions import Instruction
from llm_engineering.domain.training import Trained, TrainingData, Watch, unwatched
from llm_engineering.infrastructure.trainers.language.settings import LanguageTraining
from llm_engineering.infrastructure.trainers.language.training import FineTuning


class SftTrainer(LanguageTraining):
    """Fine-tune a causal language model on instructions with answers."""

    kind: Literal["sft"] = "sft"
    learns_from: ClassVar[type[DatasetRow]] = Instruction

    completion_only: bool = Field(True, description="learn the answers alone; false = the instructions as well")
    packing: bool = Field(False, description="short rows share a sequence of max_tokens, without seeing each other")

    def train(self, data: TrainingData[Instruction], folder: Path, home: Path, watch: Watch = unwatched) -> Trained:
        """Train on the rows, leave the model in the folder (`model`), and return how it went.

        A training that was killed goes on from its newest whole checkpoint in the folder; a finished one is returned.

        Raises:
            UsageError: rows that may not be learned from, a base that cannot be loaded, or a loss that is no number.
            BackendError: the memory does not suffice.
        """
        return _Sft(self, data, folder, home).run(watch)


class _Sft(FineTuning[Instruction]):
    spec: SftTrainer

    def example(self, row: Instruction, template: Any) -> Any:
        from llm_engineering.infrastructure.trainers.language.examples import instruction_example

        return instruction_example(row, template)

    def given(self, model: Any, train: Sequence[Any], longest: int) -> dict[str, Any]:
        from datasets import Dataset, disable_progress_bars  # type: ignore[import-untyped]
        from trl.data_utils import pack_dataset

        from llm_engineering.infrastructure.trainers.language.packing import check_packing

        rows = Dataset.from_list(
            [
                {
                    "input_ids": [*one.prompt, *one.answers[0]],
                    "labels": [*(_unlearned(one.prompt) if self.spec.completion_only else one.prompt), *one.answers[0]],
                }
                for one in train
            ]
        )
        if self.spec.packing:
            check_packing(model, longest, self.spec.base)
            disable_progress_bars()
            rows = pack_dataset(rows.shuffle(seed=self.spec.seed), longest, "bfd")
        return {"train_dataset": rows}

    def arguments(self) -> dict[str, Any]:
        return {"completion_only_loss": self.spec.completion_only, "packing": self.spec.packing}

    def measure(self, model: Any, validation: Sequence[Any]) -> Callable[[Any], float]:  # noqa: ARG002 - one signature
        from llm_engineering.infrastructure.trainers.language.measuring import likelihoods

        def loss(trained: Any) -> float:
            found = likelihoods(trained, validation, self.spec.token_budget)
            return float(-found.sums.sum() / found.tokens.sum())

        return loss

    def figures(self, model: Any, validation: Sequence[Any]) -> dict[str, Estimate]:
        from llm_engineering.infrastructure.trainers.language.measuring import likelihoods, sft_figures

        return sft_figures(likelihoods(model, validation, self.spec.token_budget), self.spec.seed)


def _unlearned(tokens: Sequence[int]) -> list[int]:
    """Return the labels of tokens that no loss is counted on."""
    return [-100] * len(tokens)
