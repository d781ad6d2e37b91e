"""The GPT itself: it looks back only, knows where a token stands, and its shortcuts change nothing."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.trainers.gpt.model import (
    Cache,
    Gpt,
    GptSettings,
    attend,
    attend_fused,
    causal_mask,
    weights_in,
)
from llm_engineering.infrastructure.trainers.gpt.sampling import Sampling, generate, probabilities

SETTINGS = GptSettings(vocabulary=23, width=12, layers=2, heads=2, channels=16)
KINDS = [(positions, tied) for positions in ("learned", "rotary") for tied in (True, False)]


def model(**changes: Any) -> Gpt:
    """Return a model whose weights are large enough to matter."""
    made = Gpt(replace(SETTINGS, **changes), seed=1)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel())) * 0.2)
    return made.eval()


def ids(count: int = 12, rows: int = 2, seed: int = 0) -> Tensor:
    return torch.randint(0, 23, (rows, count), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("positions", "tied"), KINDS)
@torch.no_grad()
def test_a_later_token_changes_no_earlier_score(positions: str, tied: bool) -> None:
    gpt = model(positions=positions, tied=tied)
    one = ids()
    for place in range(1, 12):
        other = one.clone()
        other[:, place] = (other[:, place] + 1) % 23
        before, after = gpt(one), gpt(other)
        assert torch.allclose(before[:, :place], after[:, :place], atol=1e-6)
        assert not torch.allclose(before[:, place], after[:, place], atol=1e-3)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
@torch.no_grad()
def test_the_order_of_the_tokens_before_makes_a_difference(positions: str) -> None:
    gpt = model(positions=positions)
    one, other = gpt(torch.tensor([[3, 4, 5]])), gpt(torch.tensor([[4, 3, 5]]))
    assert not torch.allclose(one[0, -1], other[0, -1], atol=1e-3)


@torch.no_grad()
def test_the_same_token_at_two_positions_differs() -> None:
    learned = model(positions="learned")(torch.tensor([[5, 5, 5]]))[0]
    assert not torch.allclose(learned[0], learned[1], atol=1e-3)
    # Rotary positions are those of two tokens to each other, so it takes another token to tell.
    rotary = model(positions="rotary")(torch.tensor([[7, 5, 5]]))[0]
    assert not torch.allclose(rotary[1], rotary[2], atol=1e-3)


@pytest.mark.parametrize("shape", [(2, 3, 7, 7), (1, 2, 1, 5), (2, 2, 3, 8), (1, 1, 1, 1)])
def test_attention_by_hand_is_the_fused_one(shape: tuple[int, int, int, int]) -> None:
    batch, heads, new, known = shape
    drawing = torch.Generator().manual_seed(0)
    query = torch.randn(batch, heads, new, 8, generator=drawing, requires_grad=True)
    key, value = (torch.randn(batch, heads, known, 8, generator=drawing, requires_grad=True) for _ in range(2))
    by_hand, fused = attend(query, key, value), attend_fused(query, key, value)
    assert torch.allclose(by_hand, fused, atol=1e-5)
    for one, other in zip(
        torch.autograd.grad(by_hand.square().sum(), (query, key, value)),
        torch.autograd.grad(fused.square().sum(), (query, key, value)),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
@torch.no_grad()
def test_a_model_scores_the_same_with_either_attention(positions: str) -> None:
    fused = model(positions=positions, attention="fused")
    by_hand = model(positions=positions, attention="by_hand")
    assert torch.allclose(fused(ids()), by_hand(ids()), atol=1e-5)


def test_the_mask_lets_nobody_look_ahead() -> None:
    assert torch.equal(causal_mask(5, 5), torch.ones(5, 5).tril().bool())
    assert causal_mask(1, 4).all()


@pytest.mark.parametrize(("positions", "tied"), KINDS)
@pytest.mark.parametrize("attention", ["fused", "by_hand"])
@torch.no_grad()
def test_scores_with_a_cache_are_those_without(positions: str, tied: bool, attention: str) -> None:
    gpt = model(positions=positions, tied=tied, attention=attention)
    whole, cache = gpt(ids()), Cache()
    parts = [gpt(ids()[:, first:last], cache) for first, last in ((0, 5), (5, 6), (6, 9), (9, 12))]
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)
    assert cache.length == 12


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_generation_with_a_cache_is_that_without_also_past_the_width(positions: str) -> None:
    gpt = model(positions=positions)
    for sampling in (Sampling(temperature=0), Sampling(temperature=0.9, top_k=9, top_p=0.8)):
        with_cache, without = (
            list(generate(gpt, [1, 2, 3], 30, sampling, seed=4, cached=cached)) for cached in (True, False)
        )
        assert with_cache == without
        assert len(with_cache) == 30


def test_generation_ends_at_a_stop_and_repeats_with_its_seed() -> None:
    gpt = model()
    drawn = list(generate(gpt, [1], 20, seed=3))
    assert drawn == list(generate(gpt, [1], 20, seed=3))
    assert drawn != list(generate(gpt, [1], 20, seed=5))
    stop = drawn[4]
    assert list(generate(gpt, [1], 20, seed=3, stops=[stop])) == drawn[: drawn.index(stop)]


def test_generation_from_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="no token to go on from"):
        list(generate(model(), [], 3))


def test_generation_leaves_the_mode_of_the_model() -> None:
    gpt = model().train()
    list(generate(gpt, [1], 3))
    assert gpt.training


@torch.no_grad()
def test_probabilities_sum_to_one() -> None:
    logits = model()(ids())
    for sampling in (Sampling(), Sampling(0), Sampling(0.1), Sampling(5, 3), Sampling(1, 0, 0.3), Sampling(2, 5, 0.9)):
        drawn = probabilities(logits, sampling)
        assert torch.allclose(drawn.sum(-1), torch.ones(2, 12), atol=1e-5)
        assert (drawn >= 0).all()


def left(logits: list[float], **settings: float) -> set[int]:
    drawn = probabilities(torch.tensor(logits), Sampling(**settings))  # type: ignore[arg-type]
    return set(drawn.nonzero().flatten().tolist())


def test_top_k_leaves_exactly_the_k_best_also_among_equals() -> None:
    assert left([0.1, 3.0, 2.0, -1.0], top_k=2) == {1, 2}
    assert left([1.0, 1.0, 1.0, 1.0], top_k=3) == {0, 1, 2}
    assert left([1.0, 2.0], top_k=9) == {0, 1}


def test_top_p_leaves_the_fewest_that_reach_p() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().tolist()
    assert left(logits, top_p=0.4) == {0}
    assert left(logits, top_p=0.6) == {0, 1}
    assert left(logits, top_p=0.9) == {0, 1, 2}
    assert left(logits, top_p=0.97) == {0, 1, 2, 3}
    assert left(logits, top_p=1e-6) == {0}


def test_top_k_comes_before_top_p_which_counts_what_is_left() -> None:
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log().tolist()
    # Of the two best the first has 4/7 = 0.57.
    assert left(logits, top_k=2, top_p=0.55) == {0}
    assert left(logits, top_k=2, top_p=0.6) == {0, 1}


def test_a_low_temperature_sharpens_and_zero_takes_the_best() -> None:
    logits = torch.tensor([1.0, 2.0, 0.0])
    assert probabilities(logits, Sampling(0.5))[1] > probabilities(logits, Sampling(1.0))[1]
    for cold in (0, 1e-40, 1e-300):
        assert probabilities(logits, Sampling(cold)).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1}, {"temperature": float("nan")}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.5}]
)
def test_settings_of_sampling_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="top_p"):
        Sampling(**wrong)  # type: ignore[arg-type]


def test_more_than_the_width_is_refused() -> None:
    with pytest.raises(UsageError, match="reads 12 tokens at once; it was given 13"):
        model()(ids(13))


@pytest.mark.parametrize("wrong", [{"channels": 15}, {"channels": 6, "positions": "rotary"}])
def test_channels_that_do_not_fit_the_heads_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="channels"):
        replace(SETTINGS, **wrong)


def test_tied_heads_share_their_weights() -> None:
    assert weights_in(model(tied=False)) - weights_in(model(tied=True)) == 23 * 16
    tied = model(tied=True)
    assert tied.head.weight is tied.tokens.weight


def test_the_first_weights_follow_from_the_seed() -> None:
    same = [torch.cat([weight.flatten() for weight in Gpt(SETTINGS, seed).parameters()]) for seed in (0, 0, 1)]
    assert torch.equal(same[0], same[1])
    assert not torch.equal(same[0], same[2])


def test_a_new_model_knows_nothing() -> None:
    loss = Gpt(SETTINGS).loss(ids()[:, :-1], ids()[:, 1:])
    assert loss.item() == pytest.approx(torch.tensor(23.0).log().item(), abs=0.4)
