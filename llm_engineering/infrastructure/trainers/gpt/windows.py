"""Windows over a long row of ids: what the model reads, and what it should say next at every place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.trainers.gpt.vocabulary import Vocabulary, documents_to_ids


@dataclass(frozen=True)
class Windows:
    """Windows of `width` ids that begin every `stride` ids. The target is the input, one id later.

    There are (ids - width - 1) // stride + 1 of them; what does not fill a window at the end is left out.

    >>> windows = Windows(torch.arange(10), width=4, stride=3)
    >>> len(windows)
    2
    >>> inputs, targets = windows.batch([1])
    >>> inputs.tolist(), targets.tolist()
    ([[3, 4, 5, 6]], [[4, 5, 6, 7]])
    """

    ids: Tensor  # [N]
    width: int
    stride: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.stride < 1:
            raise UsageError(f"width and stride of windows are 1 at least; they are {self.width} and {self.stride}")

    def __len__(self) -> int:
        return max(0, (len(self.ids) - self.width - 1) // self.stride + 1)

    def batch(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the inputs and the targets of windows, both [B, T]."""
        # A view of [windows, T + 1]; only the rows that are asked for are copied.
        rows = self.ids.unfold(0, self.width + 1, self.stride)[torch.as_tensor(numbers)]
        return rows[:, :-1], rows[:, 1:]

    def of_step(self, step: int, batch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step, which follows from the seed and the number of the step alone.

        So a training that was killed reads on where it was. Every epoch has an order of its own.
        """
        places = range(step * batch, (step + 1) * batch)
        return self.batch([_order(len(self), seed, place // len(self))[place % len(self)] for place in places])


def windows_of(vocabulary: Vocabulary, texts: Sequence[str], width: int, stride: int) -> Windows:
    """Return the windows over the ids of texts."""
    return Windows(torch.tensor(documents_to_ids(vocabulary, texts), dtype=torch.long), width, stride)


def tested_windows(vocabulary: Vocabulary, texts: Sequence[str], width: int) -> Windows:
    """Return windows that do not overlap over texts to be tested on; one that is narrower for texts that are short."""
    whole = windows_of(vocabulary, texts, width, width)
    narrow = max(1, min(width, len(whole.ids) - 1))
    return replace(whole, width=narrow, stride=narrow)


@lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> list[int]:
    drawing = torch.Generator().manual_seed((seed << 20) + epoch)
    found: list[int] = torch.randperm(count, generator=drawing).tolist()
    return found
