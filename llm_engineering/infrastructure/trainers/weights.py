"""The weights that are trained, apart from the others; and the process that trains them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


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
