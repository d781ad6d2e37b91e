"""Bounds in languages that name their signs: `gt` and `gte` for "greater than" and "greater than or equal" …"""

from llm_engineering.domain.conditions import Range

NAMES = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


def named_bounds(bounds: Range, prefix: str = "") -> dict[str, float]:
    """Return the bounds that are given, by the name of each one's sign.

    >>> named_bounds(Range(field="_from", gt=1, lte=3), "$")
    {'$gt': 1.0, '$lte': 3.0}
    """
    return {prefix + NAMES[sign]: bound for sign, bound in bounds.limits}
