"""Weighted logistic regression in NumPy, and where its threshold lies."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from llm_engineering.application.retrieval.answerability import Feature, Formula

Array = npt.NDArray[np.float64]
PENALTY = 1.0


def fitted(
    rows: Sequence[Mapping[Feature, float]],
    answerable: Sequence[bool],
    weights: Sequence[float],
    judged: Sequence[bool],
    names: Sequence[Feature],
    refused: float,
) -> Formula:
    """Return the formula whose value is 0.5 where the given share of the judged questions lies below.

    The share moves only the bias: it says how many of the answerable questions may be refused, which is another way of
    saying how likely a question is to have an answer.
    """
    x = np.array([[row[name] for name in names] for row in rows])
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    design = np.hstack([np.ones((len(x), 1)), (x - mean) / spread])
    found = _newton(design, np.array(answerable, dtype=float), np.array(weights))
    scaled = found[1:] / spread
    lowest = float(np.quantile(x[np.array(judged)] @ scaled, refused))
    return Formula(
        bias=round(-lowest, 3),
        weights={name: round(float(weight), 3) for name, weight in zip(names, scaled, strict=True)},
    )


def _newton(x: Array, y: Array, weights: Array) -> Array:
    """Return the maximum of the penalised likelihood; the intercept is not penalised."""
    found = np.zeros(x.shape[1])
    penalty = np.diag([0.0] + [PENALTY] * (x.shape[1] - 1))
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        gradient = x.T @ (weights * (y - p)) - penalty @ found
        curvature = (x * (weights * p * (1 - p))[:, None]).T @ x + penalty
        step = np.linalg.solve(curvature, gradient)
        found += step
        if np.abs(step).max() < 1e-8:
            break
    return found
