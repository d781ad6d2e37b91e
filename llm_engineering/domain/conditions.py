"""Conditions on the payload of points: what a search may be limited to. Every vector store understands all of them.

A field is a payload field (`source`, `uri`, `title` …) or `metadata.NAME`. Values are compared by type: text with text,
truth values with truth values, numbers with numbers (3 equals 3.0); a text also matches the number or truth value that
it spells, because a command line knows only text. A field that a point lacks matches nothing but a negation.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from llm_engineering.domain.value import Scalar, Value


class Eq(Value):
    """The field equals the value."""

    op: Literal["eq"] = "eq"
    field: str = Field(min_length=1)
    value: Scalar


class In(Value):
    """The field equals one of the values; of none, if there are none."""

    op: Literal["in"] = "in"
    field: str = Field(min_length=1)
    values: tuple[Scalar, ...]


class Range(Value):
    """The field is a number within the bounds that are given; texts, also dates as text, have no order here."""

    op: Literal["range"] = "range"
    field: str = Field(min_length=1)
    gt: float | None = Field(None, allow_inf_nan=False)
    gte: float | None = Field(None, allow_inf_nan=False)
    lt: float | None = Field(None, allow_inf_nan=False)
    lte: float | None = Field(None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _has_a_bound(self) -> "Range":
        if not self.limits:
            raise ValueError("give at least one of gt, gte, lt, lte")
        return self

    @property
    def limits(self) -> list[tuple[str, float]]:
        """The bounds that are given, each with its sign: ">", ">=", "<" or "<="."""
        signs = ((">", self.gt), (">=", self.gte), ("<", self.lt), ("<=", self.lte))
        return [(sign, bound) for sign, bound in signs if bound is not None]


class And(Value):
    """All conditions hold; of none, always."""

    op: Literal["and"] = "and"
    conditions: tuple["Condition", ...]


class Or(Value):
    """At least one condition holds; of none, never."""

    op: Literal["or"] = "or"
    conditions: tuple["Condition", ...]


class Not(Value):
    """The condition does not hold."""

    op: Literal["not"] = "not"
    condition: "Condition"


Condition: TypeAlias = Annotated[Eq | In | Range | And | Or | Not, Field(discriminator="op")]

# What callers may write: a condition, or the short form: each field must equal its value, or one of several.
Filter: TypeAlias = Condition | Mapping[str, Scalar | Sequence[Scalar]]

for _model in (And, Or, Not):
    _model.model_rebuild()

EVERYTHING = And(conditions=())


def condition_of(filter: Filter | None) -> Condition:
    """Return a filter as a condition; without one, that which always holds.

    >>> condition_of({"course": "ml"})
    And(op='and', conditions=(Eq(op='eq', field='course', value='ml'),))
    """
    if filter is None:
        return EVERYTHING
    if not isinstance(filter, Mapping):
        return filter
    return And(conditions=tuple(_short(field, value) for field, value in filter.items()))


def _short(field: str, value: Scalar | Sequence[Scalar]) -> Condition:
    if isinstance(value, str | int | float | bool):
        return Eq(field=field, value=value)
    return In(field=field, values=tuple(value))


def both(first: Condition, second: Condition) -> Condition:
    """Return the condition that both hold.

    >>> both(EVERYTHING, Eq(field="source", value="faq"))
    Eq(op='eq', field='source', value='faq')
    """
    wanted = tuple(condition for condition in (first, second) if condition != EVERYTHING)
    return wanted[0] if len(wanted) == 1 else And(conditions=wanted)
