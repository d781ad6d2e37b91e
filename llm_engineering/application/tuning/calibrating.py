"""The threshold below which there is no answer, from questions that have one and questions that have none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from llm_engineering.application.retrieval.answerability import Feature, Formula
from llm_engineering.application.tuning.choosing import sign_test
from llm_engineering.application.tuning.fitting import fitted
from llm_engineering.domain.errors import UsageError

# Of each kind; with fewer the threshold stays as it is.
FEWEST = 50
STEPS = 200


@dataclass(frozen=True)
class Judged:
    """The confidence of a search, whether its question has an answer in the index, and the question's cluster."""

    confidence: float
    answerable: bool
    cluster: str
    features: Mapping[Feature, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Calibration:
    """The threshold that was chosen, and what it does on the validation questions, beside the one in use.

    `refused` is the share of the questions with an answer that are refused, `let_through` that of the others that are
    not. Empty `reason`: the threshold was changed.
    """

    threshold: float
    default: float
    refused: float
    let_through: float
    refused_before: float
    let_through_before: float
    p: float
    reason: str
    formula: Formula | None = None


def fit(
    train: Sequence[Judged], validation: Sequence[Judged], may_refuse: float, seed: int, sure: float
) -> Calibration:
    """Find a formula for a model that has none, by the features of the training questions; its threshold is 0.5.

    It is kept only if it refuses at most twice the share `may_refuse` of the validation questions with an answer, and
    judges both kinds better than letting all through, by more than chance explains.
    """
    everything = 0.0  # the threshold that refuses nothing, which is what a search without a formula does
    if short := _short(train, validation):
        return _calibration(everything, everything, validation, 1.0, short)
    names: list[Feature] = list(train[0].features)
    counts = {kind: sum(one.answerable is kind for one in train) for kind in (True, False)}
    formula = fitted(
        [one.features for one in train],
        [one.answerable for one in train],
        [1_000.0 / counts[one.answerable] for one in train],
        [one.answerable for one in train],
        names,
        may_refuse,
    )
    rows = [replace(one, confidence=formula.value(one.features)) for one in validation]
    found = _calibration(0.5, everything, rows, _p(rows, everything, 0.5, seed), "")
    if found.refused > 2 * may_refuse:
        return replace(found, threshold=everything, reason=f"it would refuse {found.refused:.1%} of the answers")
    if found.p > 1 - sure or found.refused + found.let_through >= 1:
        return replace(found, threshold=everything, reason=f"its gain may be chance (p = {found.p:.3f})")
    return replace(found, formula=formula)


def calibrate(
    train: Sequence[Judged], validation: Sequence[Judged], default: float, may_refuse: float, seed: int, sure: float
) -> Calibration:
    """Choose the threshold that lets the fewest questions without an answer through.

    It may refuse the share `may_refuse` of the questions with an answer, or as many as the default does if that is
    more. It takes the place of the default only if it judges more of the validation questions rightly, both kinds
    counting the same, by more than chance explains.

    Raises:
        UsageError: the share is none.
    """
    if not 0.0 <= may_refuse < 1.0:
        raise UsageError(f"may_refuse is {may_refuse}; give a share, at least 0 and less than 1")
    if short := _short(train, validation):
        return _calibration(default, default, validation, 1.0, short)
    chosen = _best(train, default, max(may_refuse, _rates(train, default)[0]))
    p = _p(validation, default, chosen, seed)
    gain = sum(_rates(validation, default)) - sum(_rates(validation, chosen))
    if chosen == default or gain <= 0 or p > 1 - sure:
        reason = "the default is as good" if chosen == default or gain <= 0 else f"its gain may be chance (p = {p:.3f})"
        return _calibration(default, default, validation, p, reason)
    return _calibration(chosen, default, validation, p, "")


def _short(train: Sequence[Judged], validation: Sequence[Judged]) -> str:
    """Say that there are too few questions; empty if there are enough."""
    least = min(sum(one.answerable is kind for one in rows) for rows in (train, validation) for kind in (True, False))
    return f"there are {least} questions of a kind in a split, and {FEWEST} are needed" if least < FEWEST else ""


def _best(rows: Sequence[Judged], default: float, limit: float) -> float:
    """Return the threshold with the least sum of both errors; the nearest to the default among equals."""
    known = [default, *(step / STEPS for step in range(1, STEPS))]
    rated = [(threshold, _rates(rows, threshold)) for threshold in known]
    allowed = [(threshold, rates) for threshold, rates in rated if rates[0] <= limit]
    return min(allowed or rated, key=lambda one: (round(sum(one[1]), 9), abs(one[0] - default)))[0]


def _rates(rows: Sequence[Judged], threshold: float) -> tuple[float, float]:
    """Return the share of questions with an answer that are refused, and of those without that are let through."""
    refused = [one.confidence < threshold for one in rows if one.answerable]
    passed = [one.confidence >= threshold for one in rows if not one.answerable]
    return sum(refused) / max(len(refused), 1), sum(passed) / max(len(passed), 1)


def _p(rows: Sequence[Judged], default: float, chosen: float, seed: int) -> float:
    weights = {kind: 1.0 / max(sum(one.answerable is kind for one in rows), 1) for kind in (True, False)}
    difference = np.array(
        [
            weights[one.answerable]
            * (
                float((one.confidence >= chosen) is one.answerable)
                - float((one.confidence >= default) is one.answerable)
            )
            for one in rows
        ]
    )
    return sign_test(difference * len(rows), [one.cluster for one in rows], seed)[0]


def _calibration(chosen: float, default: float, rows: Sequence[Judged], p: float, reason: str) -> Calibration:
    return Calibration(chosen, default, *_rates(rows, chosen), *_rates(rows, default), p, reason)
