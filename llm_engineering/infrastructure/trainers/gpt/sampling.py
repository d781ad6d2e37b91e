"""Sampling: from scores to the next token, again and again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.trainers.gpt.model import Cache, Gpt

COLD = 1e-6  # below, scores divided by the temperature are no numbers any more; only the best one would be left anyway


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn.

    `temperature` 0 takes the best one always; above 1 makes the unlikely likelier. `top_k` (0: any) leaves the k best,
    `top_p` (1: all) the fewest best ones whose probabilities add up to p.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf") or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise UsageError(
                f"temperature {self.temperature} is 0 or more, top_k {self.top_k} is 0 or more, and top_p {self.top_p} "
                "lies above 0 and at 1 at most; at least one of them does not"
            )


def probabilities(logits: Tensor, sampling: Sampling) -> Tensor:
    """Return with which probability each token is drawn, [..., V], from scores [..., V]. Those left out have 0."""
    if sampling.temperature < COLD:
        return torch.zeros_like(logits).scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
    logits = logits / sampling.temperature
    # A stable order: of equal scores, the lower id comes first, so that k are k.
    best, order = logits.sort(dim=-1, descending=True, stable=True)  # [..., V]
    if sampling.top_k:
        best = best.masked_fill(torch.arange(best.shape[-1], device=best.device) >= sampling.top_k, float("-inf"))
    shares = best.softmax(-1)
    if sampling.top_p < 1:
        before = shares.cumsum(-1) - shares  # what those that are better have together
        shares = shares.masked_fill(before >= sampling.top_p, 0.0)
        shares = shares / shares.sum(-1, keepdim=True)
    return torch.zeros_like(shares).scatter_(-1, order, shares)


@torch.no_grad()
def generate(
    model: Gpt,
    ids: Sequence[int],
    count: int,
    sampling: Sampling | None = None,
    *,
    seed: int = 0,
    stops: Sequence[int] = (),
    cached: bool = True,
) -> Iterator[int]:
    """Yield up to `count` ids that follow the given ones, each as soon as it is drawn; a stop is not yielded.

    The model reads the last ids that fit its width. As long as all do, the cache spares it all but the newest; after
    that every place moves with each token, and it reads them all again.

    Raises:
        UsageError: there is nothing to go on from.
    """
    if not ids:
        raise UsageError("there is no token to go on from; begin with the end of a document (id 0)")
    sampling = sampling or Sampling()
    device = model.tokens.weight.device
    drawing = torch.Generator().manual_seed(seed)
    read, cache, width = list(ids), Cache(), model.settings.width
    was_training = model.training
    model.train(mode=False)
    try:
        for _ in range(count):
            fits = cached and len(read) <= width
            new = read[cache.length :] if fits else read[-width:]
            logits = model(torch.tensor([new], device=device), cache if fits else None)[0, -1]  # [V]
            drawn = int(torch.multinomial(probabilities(logits, sampling).cpu(), 1, generator=drawing))
            if drawn in stops:
                return
            yield drawn
            read.append(drawn)
    finally:
        model.train(was_training)
