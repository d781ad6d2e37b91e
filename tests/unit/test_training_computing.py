"""A copy in bf16 computes, and the weights in fp32 learn."""

import pytest
import torch
from torch import nn

from llm_engineering.infrastructure.trainers.computing import Computing
from llm_engineering.infrastructure.trainers.measuring import at_rest

GROUP = {"input_ids": torch.arange(12).view(3, 4)}


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(12, 8)
        self.top = nn.Linear(8, 4)

    def forward(self, group: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"out": self.top(torch.tanh(self.words(group["input_ids"])).mean(dim=1))}


def gradients(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.grad.flatten() for value in model.parameters() if value.grad is not None])


def test_gradients_of_the_copy_are_those_of_the_weights_but_for_rounding() -> None:
    exact, low = (Computing(Layers(), low=low) for low in (False, True))
    for computing in (exact, low):
        for _ in range(2):  # two backward passes add up, as in gradient accumulation
            computing.refresh()
            computing.read(GROUP, "out").square().sum().backward()
            computing.collect()
    ours, theirs = gradients(low.model), gradients(exact.model)
    assert ours.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(ours, theirs, dim=0) > 0.9999
    assert (ours - theirs).abs().max() < 0.02 * theirs.abs().max()


def test_a_step_too_small_for_bf16_is_kept_and_seen_by_the_copy_once_there_are_enough() -> None:
    computing = Computing(Layers(), low=True)
    weight = next(computing.model.parameters())
    before = weight.detach().clone()
    for _ in range(100):
        with torch.no_grad():
            weight += 1e-4 * before.sign()
    computing.refresh()
    assert torch.allclose(weight, before + 1e-2 * before.sign(), atol=1e-6)
    moved = computing.read(GROUP, "out") - Computing(_with(before), low=False).read(GROUP, "out")
    assert moved.abs().max() > 0


def test_frozen_weights_get_no_gradient_and_the_copy_is_neither_trained_nor_saved() -> None:
    model = Layers()
    model.words.weight.requires_grad_(False)
    computing = Computing(model, low=True)
    computing.refresh()
    computing.read(GROUP, "out").sum().backward()
    computing.collect()
    assert model.words.weight.grad is None
    assert model.top.weight.grad is not None
    assert len(list(computing.parameters())) == len(list(model.parameters()))


def test_the_copy_follows_the_mode_and_a_model_that_was_given_other_layers() -> None:
    computing = Computing(Layers(), low=True)
    computing.refresh()
    computing.model.top = nn.Sequential(computing.model.top, nn.Dropout(1.0))
    computing.model.train()
    computing.refresh()
    assert computing.read(GROUP, "out").abs().sum() == 0
    computing.model.eval()
    computing.refresh()
    assert computing.read(GROUP, "out").abs().sum() > 0


def _with(words: torch.Tensor) -> nn.Module:
    model = Layers()
    with torch.no_grad():
        model.words.weight.copy_(words)
    return model


@pytest.mark.parametrize("low", [False, True])
def test_training_goes_on_after_a_measurement_that_failed(low: bool) -> None:
    computing = Computing(Layers(), low=low)
    computing.train()
    with at_rest(computing) as moved:
        assert not computing.model.training
        assert not computing.read(moved(GROUP), "out").requires_grad
    with pytest.raises(KeyError), at_rest(computing) as moved:
        computing.read(moved({}), "out")
    assert computing.model.training
    assert computing.read(GROUP, "out").requires_grad
