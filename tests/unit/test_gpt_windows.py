"""Windows over ids, the batches of steps, and the learning rate."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.trainers.gpt.training import Training, learning_rate
from llm_engineering.infrastructure.trainers.gpt.windows import Windows

sizes = st.integers(1, 12)


@given(count=st.integers(0, 60), width=sizes, stride=sizes)
def test_targets_are_inputs_one_id_later_and_the_formula_counts_the_windows(
    count: int, width: int, stride: int
) -> None:
    windows = Windows(torch.arange(count), width, stride)
    starts = [start for start in range(0, count, stride) if start + width + 1 <= count]
    assert len(windows) == len(starts) == max(0, (count - width - 1) // stride + 1)
    if starts:
        inputs, targets = windows.batch(range(len(windows)))
        assert inputs.tolist() == [list(range(start, start + width)) for start in starts]
        assert torch.equal(targets, inputs + 1)


@given(count=st.integers(20, 80), stride=st.integers(1, 5))
def test_with_a_stride_of_the_width_at_most_no_id_is_left_out_but_at_the_end(count: int, stride: int) -> None:
    windows = Windows(torch.arange(count), 5, stride)
    read = {int(number) for number in torch.cat(windows.batch(range(len(windows)))).flatten()}
    assert read == set(range(max(read) + 1))
    assert max(read) >= count - stride


@given(count=st.integers(8, 60), batch=st.integers(1, 20), seed=st.integers(0, 9))
def test_each_epoch_reads_every_window_once_in_an_order_of_its_own(count: int, batch: int, seed: int) -> None:
    windows = Windows(torch.arange(count), 3, 1)
    whole = len(windows)
    read = [int(row[0]) for step in range(-(-2 * whole // batch)) for row in windows.of_step(step, batch, seed)[0]]
    assert sorted(read[:whole]) == sorted(read[whole : 2 * whole]) == list(range(whole))


def test_the_batch_of_a_step_follows_from_seed_and_step() -> None:
    windows = Windows(torch.arange(200), 8, 2)
    for step in (0, 5, 70):
        assert torch.equal(windows.of_step(step, 4, 1)[0], windows.of_step(step, 4, 1)[0])
        assert not torch.equal(windows.of_step(step, 4, 1)[0], windows.of_step(step, 4, 2)[0])
    epochs = [[int(row[0]) for step in range(24) for row in windows.of_step(step + 24 * n, 4, 1)[0]] for n in (0, 1)]
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize(("width", "stride"), [(0, 1), (1, 0)])
def test_windows_of_nothing_are_refused(width: int, stride: int) -> None:
    with pytest.raises(UsageError, match="1 at least"):
        Windows(torch.arange(5), width, stride)


@given(steps=st.integers(1, 500), warmup=st.floats(0, 0.9), least=st.floats(0, 1))
def test_the_learning_rate_rises_then_falls_to_the_least(steps: int, warmup: float, least: float) -> None:
    how = Training(steps=steps, warmup=warmup, least=least, learning_rate=2.0)
    rates = [learning_rate(step, how) for step in range(steps)]
    top = max(0, round(warmup * steps) - 1)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert all(0 < rate <= 2.0 for rate in rates)
    assert rates[-1] >= 2.0 * least - 1e-9
