"""Settings that all trainers of weights share."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from llm_engineering.domain.value import Value

# In a folder of work: the ids of the documents that are learnt from, so that forgetting one finds it.
DOCUMENTS = "documents.json"


class Optimising(Value):
    """How weights are changed: the same YAML on a CPU and on a GPU."""

    revision: str | None = Field(None, description="commit of `base` on the hub; empty = the pinned one, or the newest")
    digest: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 that the weights of `base` must have; empty = any, or pinned",
    )
    epochs: int = Field(3, ge=1, le=1_000, description="passes over the training rows")
    batch: int = Field(32, ge=1, le=65_536, description="rows in a batch")
    accumulation: int = Field(1, ge=1, le=4_096, description="batches whose gradients make one step")
    learning_rate: float = Field(5e-5, gt=0, le=1)
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="learning rate after the warm-up")
    weight_decay: float = Field(0.01, ge=0, le=1)
    max_grad_norm: float = Field(1.0, ge=0, description="longer gradients are shortened to it; 0 = never")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="share of activations left out in training; drawing it is a third of a CPU's time"
    )
    evaluations: int = Field(1, ge=1, le=1_000, description="times an epoch that the validation split is asked")
    patience: int = Field(3, ge=0, le=1_000, description="evaluations without a gain before it stops; 0 = never")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto = bf16 where the CPU has AMX or the GPU has bf16; the weights are kept in fp32"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto = a GPU where there is one")
    threads: int = Field(0, ge=0, le=1_024, description="CPU threads; 0 = as torch decides")
    token_budget: int = Field(8_192, ge=64, le=4_194_304, description="positions read at once, padding included")
    seed: int = Field(0, ge=0, lt=2**32)

    def steps(self, batches: int) -> tuple[int, int]:
        """Return how many steps an epoch of so many batches has, and the whole training."""
        each = -(-batches // self.accumulation)
        return each, each * self.epochs


def work_folders(folder: Path) -> tuple[Path, Path]:
    """Return where in a folder of work the checkpoints lie, and where the finished model."""
    return folder / "checkpoints", folder / "model"
