"""Settings that the trainers of language models share."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from llm_engineering.domain.models import ModelKind
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.trainers.optimising import Optimising

DEFAULT_BASE = "Qwen/Qwen2.5-0.5B-Instruct"
LONGEST = 2_048


class Lora(Value):
    """Low-rank adapters beside the weights, which stay as they are (Hu et al. 2021); they are merged at the end."""

    rank: int = Field(16, ge=1, le=4_096)
    alpha: float = Field(32.0, gt=0, description="the adapters' share is alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the adapters' inputs left out in training")
    targets: tuple[str, ...] = Field(
        (), description="names of the layers that get adapters, such as [q_proj, v_proj]; empty: all linear ones"
    )
    rank_stabilised: bool = Field(False, description="share alpha / √rank instead (Kalajdzievski 2023)")


class LanguageTraining(Optimising):
    """How a causal language model is trained."""

    makes: ClassVar[ModelKind] = "llm"

    base: str = Field(
        DEFAULT_BASE, min_length=1, description="model to begin with: name on the hub, local folder, or registry:NAME"
    )
    epochs: int = Field(2, ge=1, le=1_000, description="passes over the training rows")
    batch: int = Field(4, ge=1, le=65_536, description="rows in a batch")
    accumulation: int = Field(4, ge=1, le=4_096, description="batches whose gradients make one step")
    schedule: Literal["linear", "cosine", "constant"] = Field("cosine", description="learning rate after the warm-up")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="what is computed in; auto = bf16 on a GPU that has it, else fp32"
    )
    weights: Literal["auto", "fp32", "bf16", "nf4"] = Field(
        "auto",
        description="how the weights are kept; auto = fp32, under adapters that of `precision`; nf4 = QLoRA, on a GPU",
    )
    max_tokens: int | None = Field(
        None,
        ge=8,
        le=1_048_576,
        description=f"longer rows are left out; empty: the model's window, at most {LONGEST:,}",
    )
    gradient_checkpointing: bool = Field(False, description="activations are computed twice instead of kept")
    lora: Lora | None = Field(None, description="train adapters instead of all weights; {} = with the defaults")
    accelerator: Literal["none", "unsloth"] = Field("none", description="unsloth = its kernels, on a GPU")

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.weights == "nf4" and self.lora is None:
            raise ValueError("weights: nf4 cannot be trained themselves; set lora: {} beside it (QLoRA)")
        if self.weights == "bf16" and self.lora is None:
            raise ValueError(
                "weights: bf16 are too coarse to be trained, small steps are lost; set lora: {}, or weights: fp32 with "
                "precision: bf16"
            )
        return self

    def kept_in(self, precision: str) -> str:
        """Return how weights are kept where training computes in a precision: fp32, bf16 or nf4."""
        if self.weights != "auto":
            return self.weights
        return precision if self.lora else "fp32"
