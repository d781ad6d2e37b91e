"""What is wrong with a body, in words of our own: where, and what would be right; never what was sent."""

from collections.abc import Mapping, Sequence
from typing import Any

_LONGEST = 200
_OPERATIONS = frozenset({"eq", "in", "range", "and", "or", "not"})
_SCALARS = frozenset({"str", "int", "float", "bool"})
# Where these stand in the place of a mistake in a filter, they name the form that was tried.
_NO_FILTER = frozenset({"model_attributes_type", "dict_type"})
_FILTER = 'give a condition such as {"op": "eq", "field": "course", "value": "ml"}, or {"course": "ml"}'
# What pydantic says of these speaks of its own parts.
_WORDS = {
    "union_tag_invalid": "`op` is one of eq, in, range, and, or, not",
    "union_tag_not_found": 'give a condition with an `op`, such as {"op": "eq", "field": "course", "value": "ml"}',
    "float_parsing": "give a number",
    "float_type": "give a number",
    "missing": "is missing",
    "extra_forbidden": "there is no such field",
}


def mistakes(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each place of a body that is wrong.

    >>> mistakes([{"loc": ("body", "filter", "short", "year", "int"), "msg": "…", "type": "int_type"}])
    ['filter.year: give a text, a number, true or false']
    """
    said: dict[str, str] = {}
    for error in errors:
        place, forms = _place([str(part)[:_LONGEST] for part in error["loc"][1:]])
        if forms:
            said[place] = "give a text, a number, true or false" + ", or a list of these" * (
                forms.startswith("list[") or said.get(place, "").endswith("these")
            )
        elif place == "filter" and error["type"] in _NO_FILTER:
            said[place] = _FILTER
        else:
            said.setdefault(place, _words(error))
    return [f"{place or 'body'}: {message}" for place, message in said.items()]


def _words(error: Mapping[str, Any]) -> str:
    return _WORDS.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")[:_LONGEST]


def _place(parts: Sequence[str]) -> tuple[str, str]:
    """Return a place as whoever wrote the body knows it, and the form of a filter's value that was tried there."""
    if parts[:1] != ["filter"] or len(parts) < 2:
        return ".".join(parts), ""
    names, short = ["filter"], parts[1] == "short"
    for position, part in enumerate(parts[2:]):
        if (position or not short) and (part in _SCALARS or part.startswith("list[")):
            return ".".join(names), part
        if short or part not in _OPERATIONS:
            names.append(part)
    return ".".join(names), ""
