"""The weights that are trained, apart from the others; and the process that trains them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.trainers.checkpoints import seal

WEIGHTS = "trainable.safetensors"


class SealedWeights:
    """Checkpoints without pickled weights, which count when they are whole. A mixin for the libraries' trainers."""

    args: Any
    model: Any
    state: Any

    def check_finite(self, loss: torch.Tensor) -> None:
        """Refuse a loss that is infinite or no number.

        Raises:
            UsageError: it is one; the message says what helps.
        """
        if not torch.isfinite(loss):
            raise UsageError(
                f"the loss is {loss.item()} after {self.state.global_step} steps, so the weights are lost; use a lower "
                f"learning_rate (it is {self.args.learning_rate:g}), a longer warmup, or precision fp32"
            )

    def _save(self, output_dir: str | None = None, state_dict: object = None) -> None:  # noqa: ARG002
        """Save what is trained, as safetensors; the rest is in the files that it began with."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(trainable(self.model), folder / WEIGHTS)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)  # type: ignore[misc]
        seal(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: object = None) -> None:  # noqa: ARG002
        restore(self.model, load_file(Path(resume_from_checkpoint) / WEIGHTS))

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(self.state.best_model_checkpoint)


def trainable(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights that are trained, by name."""
    return {
        name: value.detach().cpu().contiguous().clone()
        for name, value in model.named_parameters()
        if value.requires_grad
    }


@torch.no_grad()
def restore(model: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Put weights back that `trainable` returned."""
    named = dict(model.named_parameters())
    for name, value in weights.items():
        named[name].copy_(value)


@contextmanager
def quiet(threads: int) -> Iterator[None]:
    """Use so many threads, and keep the library's own reports off the screen."""
    from llm_engineering.infrastructure.embedders.library_model import quiet_transformers

    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        with quiet_transformers():
            yield
    finally:
        torch.set_num_threads(before)
