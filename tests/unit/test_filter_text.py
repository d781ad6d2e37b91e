"""Filters as a person types them, and what is refused before an engine sees it."""

import json

import pytest

from llm_engineering.application.retrieval import allowed, parse_filters, payload_filter
from llm_engineering.domain.access import ALL, Access
from llm_engineering.domain.conditions import EVERYTHING, And, Condition, Eq, In, Not, Or, Range
from llm_engineering.domain.errors import UsageError


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("course=ml", Eq(field="course", value="ml")),
        (" course = ml ", Eq(field="course", value="ml")),
        ("formula=a=b", Eq(field="formula", value="a=b")),
        ("course!=ml", Not(condition=Eq(field="course", value="ml"))),
        ("week>=3", Range(field="week", gte=3)),
        ("week > 3", Range(field="week", gt=3)),
        ("week<1e3", Range(field="week", lt=1000)),
        ("week<=-2.5", Range(field="week", lte=-2.5)),
        ("course in ml, de,", In(field="course", values=("ml", "de"))),
        ("title=what is in it", Eq(field="title", value="what is in it")),
        ("due date=today", Eq(field="due date", value="today")),
        ("course=", Eq(field="course", value="")),
        ('{"course": ["ml", 3]}', And(conditions=(In(field="course", values=("ml", 3)),))),
        ('{"op": "in", "field": "a", "values": []}', In(field="a", values=())),
        (
            '{"op": "not", "condition": {"op": "eq", "field": "a", "value": true}}',
            Not(condition=Eq(field="a", value=True)),
        ),
    ],
)
def test_a_filter_is_read(text: str, condition: Condition) -> None:
    assert parse_filters([text]) == condition


def test_several_filters_must_all_hold() -> None:
    assert parse_filters(["a=1", "b>2"]) == And(conditions=(Eq(field="a", value="1"), Range(field="b", gt=2)))
    assert parse_filters([]) == EVERYTHING


@pytest.mark.parametrize(
    "text",
    [
        "", "course", "=ml", "!=ml", ">3", "week>soon", "week>nan", "week<inf", "{", "{}}", '{"op": "xor"}',
        '{"op": "eq", "field": "a"}', '{"op": "eq", "field": "", "value": 1}',
        '{"op": "eq", "field": "a", "value": null}',
        '{"op": "eq", "field": "a", "value": NaN}', '{"op": "range", "field": "a"}',
        '{"op": "eq", "field": "a", "value": 1, "x": 2}',
        '{"a": {"$ne": 1}}', '{"a": [[1]]}', '{"": 1}', "metadata.=1", '{"a": 1' + " " * 20_000 + "}", '{"a":' * 3_000,
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_understood_is_refused_with_what_is_valid(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_filters([text])
    assert str(refusal.value)


def test_two_values_for_one_field_are_a_mistake_and_not_an_empty_answer() -> None:
    with pytest.raises(UsageError, match="course in ml,de"):
        parse_filters(["course=ml", "course=de"])


def nested(levels: int) -> Condition:
    condition: Condition = Eq(field="a", value=1)
    for _ in range(levels - 1):
        condition = Not(condition=condition)
    return condition


def test_a_filter_has_at_most_ten_levels_and_two_hundred_conditions_and_values() -> None:
    payload_filter(nested(10))
    with pytest.raises(UsageError, match="nested"):
        payload_filter(nested(11))
    with pytest.raises(UsageError, match="nested"):
        payload_filter(nested(300))
    payload_filter(Or(conditions=(Eq(field="a", value=1),) * 199))
    with pytest.raises(UsageError, match="more than 200"):
        payload_filter(Or(conditions=(Eq(field="a", value=1),) * 200))
    with pytest.raises(UsageError, match="more than 200"):
        payload_filter({"a": list(range(500))})
    with pytest.raises(UsageError):
        parse_filters([json.dumps({"op": "and", "conditions": [{"op": "eq", "field": "a", "value": 1}] * 300})])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="no field can equal"):
        payload_filter(Not(condition=In(field="a", values=(1, value))))


def test_an_access_limits_by_as_many_values_as_it_has() -> None:
    many = Access(tenants=tuple(f"t{number}" for number in range(1_000)))
    assert allowed({"a": 1}, many) == And(conditions=(many.condition, payload_filter({"a": 1})))
    assert allowed(None, ALL) == EVERYTHING
