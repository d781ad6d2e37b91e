"""Finds the records in a JSON document."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import overload

from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Scalar

# Python takes up to 100 bytes for two characters of JSON such as `{}`: more than this could take gigabytes.
_MOST_CONTAINERS, _MOST_VALUES = 5_000_000, 20_000_000
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Ambiguous(dict[str, object]):
    """An object that has a key twice: which value is meant nobody can say. `twice` is the key."""

    twice = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A record at its place in the document, such as `[0].documents[3]`. `own` are the fields it did not inherit.

    `problem` says what stands there instead of a record.
    """

    place: str
    fields: Mapping[str, object] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Node:
    place: str
    content: object
    inherited: Mapping[str, object] = field(default_factory=dict)


def parse_json(text: str) -> object:
    """Parse a JSON document.

    What Python writes and JSON does not know (NaN, Infinity) becomes null.

    Raises:
        SourceError: `invalid_json`, with line and column; `too_large` if it would take gigabytes of memory.
    """
    containers = text.count("{") + text.count("[")
    if containers > _MOST_CONTAINERS or text.count(",") > _MOST_VALUES:
        limits = f"{_MOST_CONTAINERS:,} brackets and {_MOST_VALUES:,} commas"
        raise SourceError("too_large", f"this JSON holds more than {limits}; divide it into several files")
    try:
        return json.loads(text, parse_constant=_nothing, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        begin = " ".join(text[:60].split())
        where = f"line {error.lineno}, column {error.colno}"
        raise SourceError("invalid_json", f"no valid JSON: {error.msg} at {where}; it begins with {begin!r}") from error
    except (RecursionError, ValueError) as error:  # nested too deep, or a number of thousands of digits
        raise SourceError("invalid_json", f"this JSON cannot be read: {error}") from error


def _nothing(name: str) -> None:
    """Stand in for a number that is none."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    ambiguous = Ambiguous(found)
    [(ambiguous.twice, _)] = Counter(key for key, _ in pairs).most_common(1)
    return ambiguous


def find_records(content: object, path: str) -> tuple[list[Record], str]:
    """Return the records at a path of keys in order, and what was found elsewhere than expected, or an empty text.

    An empty path: the document is a list of records. `documents`: it is a list (or one object) of parents, each with a
    list of records under the key `documents`; a record inherits its parents' plain fields, its own going first.
    `data.items` goes a level deeper.
    """
    problems: list[str] = []
    nodes = [_Node("", content)]
    for key in path.split(".") if path else []:
        parents = [each for node in nodes for each in _each(node)]
        nodes = [child for parent in parents for child in _below(parent, key, problems)]
    records = [_record(each) for node in nodes if isinstance(node.content, list) for each in _each(node)]
    problems += [_no_list(node, path) for node in nodes if not isinstance(node.content, list)]
    return records, "; ".join(problems[:3]) + (" …" if len(problems) > 3 else "")


def _each(node: _Node) -> list[_Node]:
    """Return the items of a list, or the node itself."""
    if not isinstance(node.content, list):
        return [node]
    return [_Node(f"{node.place}[{index}]", item, node.inherited) for index, item in enumerate(node.content)]


def _below(parent: _Node, key: str, problems: list[str]) -> list[_Node]:
    place = f"{parent.place}.{key}".removeprefix(".")
    if not isinstance(parent.content, dict):
        problems.append(
            f"expected an object with the key {key!r} at {parent.place or 'the top'}, {_found(parent.content)}"
        )
        return []
    if key not in parent.content:
        problems.append(f"expected the key {key!r} at {parent.place or 'the top'}, {_found(parent.content)}")
        return []
    if isinstance(parent.content, Ambiguous):
        problems.append(f"the key {parent.content.twice[:80]!r} is there twice at {parent.place or 'the top'}")
        return []
    plain = {name: value for name, value in parent.content.items() if isinstance(value, Scalar)}
    child = parent.content[key]
    return [_Node(place, [] if child is None else child, {**parent.inherited, **plain})]


def _record(node: _Node) -> Record:
    if not isinstance(node.content, dict):
        return Record(node.place, problem=f"expected an object with fields, {_found(node.content)}")
    if isinstance(node.content, Ambiguous):
        return Record(node.place, problem=f"the key {node.content.twice[:80]!r} is there twice in this record")
    fields = {**node.inherited, **node.content}
    return Record(
        node.place, {_storable(name): _storable(value) for name, value in fields.items()}, frozenset(node.content)
    )


@overload
def _storable(value: str) -> str: ...
@overload
def _storable(value: object) -> object: ...
def _storable(value: object) -> object:
    """Replace NULs and halves of surrogate pairs, which JSON can hold and databases or UTF-8 cannot."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _no_list(node: _Node, path: str) -> str:
    hint = ""
    if isinstance(node.content, dict):
        lists = [f"{path}.{name}".removeprefix(".") for name, value in node.content.items() if isinstance(value, list)]
        hint = f"; try `records: {lists[0]}`" if lists else ""
    return f"expected a list of records at {node.place or 'the top'}, {_found(node.content)}{hint}"


def _found(content: object) -> str:
    if isinstance(content, dict):
        keys = ", ".join(map(repr, list(content)[:8]))
        return f"found an object with {f'the keys {keys}' if keys else 'no keys'}"
    names = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return f"found {names.get(type(content), 'null')}"
