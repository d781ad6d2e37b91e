"""How likely a model finds answers, row by row; and what that says of all rows, with intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llm_engineering.domain.evaluation import Estimate
from llm_engineering.infrastructure.embedders.window import length_buckets
from llm_engineering.infrastructure.trainers.language.examples import Example

RESAMPLES = 2_000
# Logits that are in memory at once, as numbers: a position has one for each word of the vocabulary.
LOGITS = 2**27
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Likelihoods:
    """Of n rows with m answers each: the log-likelihood (n, m) of each answer, and its tokens (n, m)."""

    sums: Floats
    tokens: Floats
    clusters: tuple[str, ...]

    @property
    def means(self) -> Floats:
        """Log-likelihood per token (n, m), in nats."""
        found: Floats = self.sums / self.tokens
        return found


@torch.inference_mode()
def likelihoods(model: Any, examples: Sequence[Example], budget: int) -> Likelihoods:
    """Ask a model how likely it finds the answers, reading at most so many positions at once."""
    was_training = model.training
    model.eval()
    try:
        pairs = [(example.prompt, answer) for example in examples for answer in example.answers]
        found = np.zeros(len(pairs))
        budget = min(budget, LOGITS // model.config.get_text_config().vocab_size)
        for batch in length_buckets([len(prompt) + len(answer) for prompt, answer in pairs], budget):
            found[batch] = _read(model, [pairs[place] for place in batch])
    finally:
        model.train(was_training)
    width = len(examples[0].answers) if examples else 1
    tokens = np.array([float(len(answer)) for _, answer in pairs])
    clusters = tuple(example.cluster for example in examples)
    return Likelihoods(found.reshape(-1, width), tokens.reshape(-1, width), clusters)


def _read(model: Any, pairs: Sequence[tuple[list[int], list[int]]]) -> list[float]:
    """Return the log-likelihood of each answer after its prompt. Rows are padded on the right, which no row sees."""
    longest = max(len(prompt) + len(answer) for prompt, answer in pairs)
    ids = torch.zeros((len(pairs), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, (prompt, answer) in enumerate(pairs):
        length = len(prompt) + len(answer)
        ids[row, :length] = torch.tensor([*prompt, *answer])
        mask[row, :length] = 1
    device = next(model.parameters()).device
    logits = model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False).logits
    found = []
    for row, (prompt, answer) in enumerate(pairs):
        start = len(prompt)
        # The token at a place is foretold by the one before it.
        scores = logits[row, start - 1 : start - 1 + len(answer)].float().log_softmax(-1)  # (answer, vocabulary)
        told = scores.gather(1, torch.tensor(answer, device=device)[:, None])
        found.append(float(told.sum()))
    return found


def sft_figures(found: Likelihoods, seed: int) -> dict[str, Estimate]:
    """Return loss per token (nats) and perplexity of the answers."""
    loss = _estimate(found, seed, lambda part: -part.sums.sum() / part.tokens.sum())
    exp = {name: round(float(np.exp(min(getattr(loss, name), 700))), 6) for name in ("value", "low", "high")}
    return {"loss": loss, "perplexity": Estimate(n=loss.n, **exp)}


def preference_figures(found: Likelihoods, seed: int) -> dict[str, Estimate]:
    """Return how often the better answer is likelier per token, and by how much (nats per token)."""
    return {
        "accuracy": _estimate(found, seed, lambda part: float((part.means[:, 0] > part.means[:, 1]).mean())),
        "margin": _estimate(found, seed, lambda part: float((part.means[:, 0] - part.means[:, 1]).mean())),
    }


def preference_loss(found: Likelihoods, base: Likelihoods, loss: str, beta: float, smoothing: float = 0.0) -> float:
    """Return the mean loss of pairs of a better and a worse answer, as the library's trainer computes it.

    `loss` is sigmoid (Rafailov et al. 2023; with smoothing that of Chowdhury et al. 2024), hinge, or ipo (Azar et al.
    2023), which compares means over tokens instead of sums.
    """
    moved = found.sums - base.sums
    if loss == "ipo":
        moved = moved / found.tokens
    delta = moved[:, 0] - moved[:, 1]
    if loss == "ipo":
        return float(((delta - 1 / (2 * beta)) ** 2).mean())
    if loss == "hinge":
        return float(np.maximum(0, 1 - beta * delta).mean())
    right, wrong = np.logaddexp(0, -beta * delta), np.logaddexp(0, beta * delta)
    return float((((1 - smoothing) * right - smoothing * wrong) / (1 - 2 * smoothing)).mean())


def reward_figures(found: Likelihoods, base: Likelihoods, beta: float, seed: int) -> dict[str, Estimate]:
    """Return how often training raised the better answer above the worse one, and the margin of their rewards."""
    rewards = beta * (found.sums - base.sums)
    moved = Likelihoods(rewards, np.ones_like(rewards), found.clusters)
    figures = preference_figures(moved, seed)
    return {f"reward_{name}": figure for name, figure in figures.items()}


def mean_figure(values: Floats, clusters: Sequence[str], seed: int = 0) -> Estimate:
    """Return the mean of values (n) with its interval."""
    found = Likelihoods(values[:, None], np.ones((len(values), 1)), tuple(clusters))
    return _estimate(found, seed, lambda part: float(part.sums.mean()))


def _estimate(found: Likelihoods, seed: int, figure: Callable[[Likelihoods], float]) -> Estimate:
    """Return a figure with the interval of 95 % over samples of the clusters, drawn with replacement."""
    names: Mapping[str, int] = {name: place for place, name in enumerate(dict.fromkeys(found.clusters))}
    of_cluster: list[list[int]] = [[] for _ in names]
    for row, name in enumerate(found.clusters):
        of_cluster[names[name]].append(row)
    random = np.random.default_rng(seed)
    values = []
    for _ in range(RESAMPLES):
        drawn = random.integers(len(of_cluster), size=len(of_cluster))
        rows = [row for cluster in drawn for row in of_cluster[cluster]]
        values.append(figure(Likelihoods(found.sums[rows], found.tokens[rows], ())))
    low, high = np.quantile(values, (0.025, 0.975))
    value = float(figure(found))
    return Estimate(
        value=round(value, 6),
        low=round(min(float(low), value), 6),
        high=round(max(float(high), value), 6),
        n=len(found.clusters),
    )
