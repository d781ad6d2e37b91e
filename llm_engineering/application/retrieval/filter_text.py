"""Filters as a person types them.

    course=ml            equals (a text also means the number or truth value that it spells)
    course!=ml           does not equal
    week>=3  week<10     a number within bounds: >, >=, <, <=
    course in ml,de      equals one of them
    {"course": "ml"}     the short form as JSON
    {"op": "or", …}      any condition as JSON

Several filters must all hold.
"""

import json
import re
from collections.abc import Mapping, Sequence
from math import isfinite

from pydantic import TypeAdapter, ValidationError

from llm_engineering.application.retrieval.filters import payload_filter
from llm_engineering.domain.conditions import EVERYTHING, And, Condition, Eq, In, Not, Range, condition_of
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import Scalar

ONE_OF = re.compile(r"([^=!<>\s]+)\s+in\s+(.+)", re.DOTALL)
COMPARED = re.compile(r"([^=!<>]+)(!=|>=|<=|=|>|<)(.*)", re.DOTALL)
BOUNDS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
LONGEST = 20_000
_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
_SHORT: TypeAdapter[Mapping[str, Scalar | list[Scalar]]] = TypeAdapter(Mapping[str, Scalar | list[Scalar]])


def parse_filters(texts: Sequence[str]) -> Condition:
    """Return the condition that all of these filters hold.

    >>> parse_filters(["course=ml"])
    Eq(op='eq', field='course', value='ml')

    Raises:
        UsageError: a filter cannot be understood, or two ask one field to be two values at once.
    """
    conditions = [parse_filter(text) for text in texts]
    asked: dict[str, Scalar] = {}
    for condition in conditions:
        if isinstance(condition, Eq) and asked.setdefault(condition.field, condition.value) != condition.value:
            raise UsageError(
                f"the filters ask {condition.field!r} to be {asked[condition.field]!r} and {condition.value!r} at "
                f"once; for either of them write: {condition.field} in {asked[condition.field]},{condition.value}"
            )
    if not conditions:
        return EVERYTHING
    return conditions[0] if len(conditions) == 1 else And(conditions=tuple(conditions))


def parse_filter(text: str) -> Condition:
    """Return the condition that a text stands for.

    >>> parse_filter("week >= 3")
    Range(op='range', field='week', gt=None, gte=3.0, lt=None, lte=None)
    """
    text = text.strip()
    if len(text) > LONGEST:
        raise UsageError(f"the filter has {len(text):,} characters; at most {LONGEST:,} are read")
    condition = _from_json(text) if text.startswith("{") else _from_words(text)
    payload_filter(condition)  # what is too deep or has an empty key is refused here, where it was typed
    return condition


def _from_words(text: str) -> Condition:
    if listed := ONE_OF.fullmatch(text):
        values = tuple(value.strip() for value in listed[2].split(","))
        return In(field=listed[1], values=tuple(value for value in values if value))
    compared = COMPARED.fullmatch(text)
    key = compared[1].strip() if compared else ""
    if compared is None or not key:
        raise UsageError(
            f"the filter {text!r} cannot be understood; write key=value, key!=value, key>=3, key in a,b, or JSON, for "
            "example course=mlops-zoomcamp"
        )
    operator, value = compared[2], compared[3].strip()
    if operator in BOUNDS:
        return Range.model_validate({"field": key, BOUNDS[operator]: _number(text, value)})
    equal = Eq(field=key, value=value)
    return equal if operator == "=" else Not(condition=equal)


def _number(text: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise UsageError(f"the filter {text!r} compares with {value!r}, which is no number; only numbers have an order")
    return number


def _from_json(text: str) -> Condition:
    try:
        data = json.loads(text)
        if "op" in data and not isinstance(data["op"], list):
            return _CONDITION.validate_python(data)
        return condition_of(_SHORT.validate_python(data))
    except RecursionError:
        raise UsageError("the filter is nested too deeply; write it flatter") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the filter"
        raise UsageError(f"the filter {text[:200]!r} is not valid: {where}: {first['msg']}") from None
    except ValueError as error:
        raise UsageError(f"the filter {text[:200]!r} is no JSON: {error}") from None
