"""Self-query: values of indexed fields that a question names, such as a course, limit the search.

What was read is only ever a value that the index has. It limits a search further, never widens it, writes nothing, and
is dropped if nothing would be left.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from llm_engineering.application.retrieval.asking import Ask, ask_json
from llm_engineering.application.text.words import words
from llm_engineering.domain.conditions import EVERYTHING, And, Condition, In
from llm_engineering.domain.value import Value

# Field → value, as text → passages that have it.
Facets = Mapping[str, Mapping[str, int]]

MOST_VALUES = 100
ORDER = (
    "You help a search engine. Some fields of its documents are listed with all their values. Say which of these "
    "values the user's question asks to be limited to, and null for each field that it does not name. Never guess. "
    "Answer with JSON only."
)
FIELDS = Field(None, description="fields to look for; null: source and all of load.payload_indexes")


class RuleSelfQuery(Value):
    """Find values that stand in the question word for word, or by another name that is listed here."""

    kind: Literal["rules"] = "rules"
    fields: tuple[str, ...] | None = FIELDS
    aliases: Mapping[str, Mapping[str, str]] = Field(
        default_factory=dict, description="field → other name → value, for example {course: {mlops: mlops-zoomcamp}}"
    )
    shortest: int = Field(4, ge=1, description="letters that a value has at least, unless its field stands before it")

    def read(self, query: str, facets: Facets, ask: Ask | None) -> dict[str, tuple[str, ...]]:  # noqa: ARG002 - as llm
        """Return field → the values that the question names."""
        asked = _plain(query)
        found = {}
        for field, values in _chosen(facets, self.fields).items():
            names = [(value, value) for value in values]
            names += [(name, value) for name, value in self.aliases.get(field, {}).items() if value in values]
            named = {value: name for name, value in names if self._names(asked, _plain(field), _plain(name))}
            if named:
                found[field] = tuple(_longest(named))
        return found

    def _names(self, asked: tuple[str, ...], field: tuple[str, ...], name: tuple[str, ...]) -> bool:
        places = list(_places(asked, name))
        if sum(map(len, name)) >= self.shortest:
            return bool(places)
        return any(asked[max(0, place - len(field)) : place] == field for place in places)


class LlmSelfQuery(Value):
    """Let a language model say which values of fields a question is limited to."""

    kind: Literal["llm"] = "llm"
    fields: tuple[str, ...] | None = FIELDS

    def read(self, query: str, facets: Facets, ask: Ask | None) -> dict[str, tuple[str, ...]]:
        """Return field → the value that the model read; what the index does not have is left out.

        Raises:
            BackendError: there is no model, it failed or talked nonsense.
        """
        known = {field: list(values)[:MOST_VALUES] for field, values in _chosen(facets, self.fields).items() if values}
        if not known:
            return {}
        properties: dict[str, Any] = {
            field: {"anyOf": [{"type": "string", "enum": values}, {"type": "null"}]} for field, values in known.items()
        }
        schema = {"type": "object", "properties": properties, "required": list(known), "additionalProperties": False}
        listed = "\n".join(f"{field}: {', '.join(values)}" for field, values in known.items())
        answer = ask_json(ask, ORDER, f"Fields and their values:\n{listed}\n\nQuestion: {query}", schema)
        found: dict[str, tuple[str, ...]] = {}
        for field, values in known.items():
            exact = {value.casefold(): value for value in values}
            said = answer.get(field)
            if isinstance(said, str) and said.casefold() in exact:
                found[field] = (exact[said.casefold()],)
        return found


SelfQuery = Annotated[RuleSelfQuery | LlmSelfQuery, Field(discriminator="kind")]


def condition_on(values: Mapping[str, tuple[str, ...]]) -> Condition:
    """Return the condition, in a caller's words, that fields have the values that were read."""
    if not values:
        return EVERYTHING
    return And(conditions=tuple(In(field=field, values=wanted) for field, wanted in values.items()))


def _chosen(facets: Facets, fields: tuple[str, ...] | None) -> Facets:
    return {field: values for field, values in facets.items() if fields is None or field in fields}


def _plain(text: str) -> tuple[str, ...]:
    """Return the words of a text without regard to case, hyphens and underscores."""
    return tuple(word.casefold() for word in words(text.replace("-", " ").replace("_", " ")))


def _places(asked: tuple[str, ...], name: tuple[str, ...]) -> Iterator[int]:
    if name:
        yield from (at for at in range(len(asked) - len(name) + 1) if asked[at : at + len(name)] == name)


def _longest(named: Mapping[str, str]) -> list[str]:
    """Return the values whose names are not part of another value's name: `data` is not meant by "data engineering"."""
    plain = {value: _plain(name) for value, name in named.items()}
    return [
        value
        for value, name in plain.items()
        if not any(len(other) > len(name) and list(_places(other, name)) for other in plain.values())
    ]
