"""What a model computes with while it is trained: its own weights, or a copy of them in bf16."""

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn


class Computing(nn.Module):
    """A model that is trained in fp32 and may compute in bf16.

    On a GPU that is autocast. On a CPU autocast turns every activation and weight back and forth, which takes longer
    than the products themselves; so a copy of the model in bf16 reads the texts, and its gradients are added to those
    of the fp32 weights (mixed precision with master weights, Micikevicius et al. 2018). The copy computes attention
    step by step: torch's fused one is slow backwards on a CPU.
    """

    def __init__(self, model: nn.Module, *, low: bool) -> None:
        super().__init__()
        self.model = model
        self._low = low
        # In a list it is kept from torch, which would train it and save it.
        self._copies: list[nn.Module] = []

    def refresh(self) -> None:
        """Give the copy the weights of the model as they are now, and the same mode."""
        if not self._low or _device(self.model) != "cpu":
            return
        if [name for copied in self._copies for name, _ in copied.named_parameters()] != self._names():
            self._copies = [_low_copy(self.model)]
        for own, copied in self._pairs():
            copied.data.copy_(own.data)
        self._copies[0].train(self.model.training)

    def collect(self) -> None:
        """Add the gradients of the copy to those of the model."""
        for own, copied in self._pairs():
            if copied.grad is not None:
                gradient = copied.grad.to(own.dtype)
                own.grad = gradient if own.grad is None else own.grad.add_(gradient)
                copied.grad = None

    def read(self, group: Any, output: str) -> Tensor:
        """Return what the model makes of a group of texts, in fp32."""
        model = self._copies[0] if self._copies else self.model
        device = group["input_ids"].device.type
        with torch.autocast(device, torch.bfloat16) if self._low and not self._copies else nullcontext():
            found: Tensor = model(dict(group))[output]
        return found.float()

    def _names(self) -> list[str]:
        return [name for name, _ in self.model.named_parameters()]

    def _pairs(self) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
        for low in self._copies:
            yield from zip(self.model.parameters(), low.parameters(), strict=True)


def _device(model: nn.Module) -> str:
    first = next(model.parameters(), None)
    return "cpu" if first is None else first.device.type


def _low_copy(model: nn.Module) -> nn.Module:
    low = copy.deepcopy(model).to(torch.bfloat16)
    module: Any
    for module in low.modules():
        if hasattr(module, "set_attn_implementation"):
            module.set_attn_implementation("eager")
    return low
