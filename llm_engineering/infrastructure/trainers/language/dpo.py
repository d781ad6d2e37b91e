"""Direct preference optimisation: a language model learns which of two answers is the better one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from llm_engineering.domain.datasets import DatasetRow
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.instructions import Preference
from llm_engineering.domain.training import Trained, TrainingData, Watch, unwatched
from llm_engineering.infrastructure.trainers.language.settings import LanguageTraining
from llm_engineering.infrastructure.trainers.language.training import FineTuning


class DpoTrainer(LanguageTraining):
    """Fine-tune a causal language model on pairs of a better and a worse answer (Rafailov et al. 2023)."""

    kind: Literal["dpo"] = "dpo"
    learns_from: ClassVar[type[DatasetRow]] = Preference

    learning_rate: float = Field(5e-6, gt=0, le=1)
    epochs: int = Field(1, ge=1, le=1_000, description="passes over the training rows")
    beta: float = Field(0.1, gt=0, le=100, description="how firmly the model is held to what it began with")
    loss: Literal["sigmoid", "ipo", "hinge"] = Field("sigmoid", description="sigmoid = DPO; ipo = Azar et al. 2023")
    likelihood: float = Field(
        0.0,
        ge=0,
        le=100,
        description="weight of the better answer's own loss beside the other (Pang et al. 2024); with 0 both may get "
        "less likely",
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="share of pairs that may be the wrong way round (Chowdhury et al. 2024); with loss: sigmoid",
    )

    @model_validator(mode="after")
    def _is_smoothed(self) -> Self:
        if self.label_smoothing and self.loss != "sigmoid":
            raise ValueError(
                f"label_smoothing changes nothing with loss: {self.loss}; set loss: sigmoid, or leave it 0"
            )
        return self

    def train(self, data: TrainingData[Preference], folder: Path, home: Path, watch: Watch = unwatched) -> Trained:
        """Train on the rows, leave the model in the folder (`model`), and return how it went.

        A training that was killed goes on from its newest whole checkpoint in the folder; a finished one is returned.

        Raises:
            UsageError: rows that may not be learned from, a base that cannot be loaded, or a loss that is no number.
            BackendError: the memory does not suffice.
        """
        return _Dpo(self, data, folder, home).run(watch)


class _Dpo(FineTuning[Preference]):
    spec: DpoTrainer
    before: Any = None

    def example(self, row: Preference, template: Any) -> Any:
        from llm_engineering.infrastructure.trainers.language.examples import preference_example

        return preference_example(row, template)

    def given(self, model: Any, train: Sequence[Any], longest: int) -> dict[str, Any]:  # noqa: ARG002 - one signature
        from datasets import Dataset  # type: ignore[import-untyped]

        from llm_engineering.infrastructure.trainers.language.measuring import likelihoods

        # What the model thinks before training is the reference, so no second model has to be kept in memory.
        before = likelihoods(model, train, self.spec.token_budget).sums
        return {
            "train_dataset": Dataset.from_list(
                [
                    {
                        "prompt_ids": one.prompt,
                        "chosen_ids": one.answers[0],
                        "rejected_ids": one.answers[1],
                        "ref_chosen_logps": float(chosen),
                        "ref_rejected_logps": float(rejected),
                    }
                    for one, (chosen, rejected) in zip(train, before, strict=True)
                ]
            )
        }

    def arguments(self) -> dict[str, Any]:
        # The library smooths in the loss that it calls robust alone: the sigmoid one, for pairs that may be wrong.
        loss = "robust" if self.spec.label_smoothing else self.spec.loss
        return {
            "beta": self.spec.beta,
            "loss_type": [loss, "sft"] if self.spec.likelihood else [loss],
            "loss_weights": [1.0, self.spec.likelihood] if self.spec.likelihood else None,
            "label_smoothing": self.spec.label_smoothing,
            "precompute_ref_log_probs": True,
            "disable_dropout": self.spec.dropout == 0,
        }

    def measure(self, model: Any, validation: Sequence[Any]) -> Callable[[Any], float]:
        from llm_engineering.infrastructure.trainers.language.measuring import likelihoods, preference_loss

        spec = self.spec
        self.before = likelihoods(model, validation, spec.token_budget)

        def loss(trained: Any) -> float:
            """Return the loss that is trained with: another one may be best at another checkpoint."""
            found = likelihoods(trained, validation, spec.token_budget)
            own = -found.sums[:, 0].sum() / found.tokens[:, 0].sum()
            return preference_loss(found, self.before, spec.loss, spec.beta, spec.label_smoothing) + float(
                spec.likelihood * own
            )

        return loss

    def figures(self, model: Any, validation: Sequence[Any]) -> dict[str, Estimate]:
        from llm_engineering.infrastructure.trainers.language import measuring

        found = measuring.likelihoods(model, validation, self.spec.token_budget)
        figures = measuring.preference_figures(found, self.spec.seed)
        if self.before is not None:
            figures |= measuring.reward_figures(found, self.before, self.spec.beta, self.spec.seed)
        return figures
