"""Figures of a card: all of them finite, because JSON has no other numbers, and a card that lost one would lie."""

from collections.abc import Iterator
from math import isfinite

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import RegisteredModel


def check_numbers(model: RegisteredModel) -> None:
    """Refuse a card with a figure or a loss that is no number.

    Raises:
        UsageError: it has one; the message says which.
    """
    for where, value in _numbers(model):
        if not isfinite(value):
            raise UsageError(
                f"{where} of model {model.name!r} is {value}; a version with such a figure is not kept. Training or "
                "evaluation went wrong: look at its curve, and lower the learning rate"
            )


def _numbers(model: RegisteredModel) -> Iterator[tuple[str, float]]:
    for name, metric in model.metrics.items():
        yield from ((f"metric {name}", value) for value in (metric.value, metric.low, metric.high))
    if model.training is not None:
        for point in model.training.curve:
            values = {"loss": point.loss, "metric": point.metric, "learning rate": point.learning_rate}
            yield from ((f"{name} at step {point.step}", value) for name, value in values.items() if value is not None)
