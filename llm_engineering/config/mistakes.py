"""Turn pydantic's findings into sentences a person can act on."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from llm_engineering.config.lines import Key, Lines


def follows(mistake: ErrorDetails) -> bool:
    """Tell whether a finding only follows from another one: a default that depends on a wrong value cannot be made, and
    a list is too short because its wrong items were not counted."""
    if mistake["type"] == "too_short":
        given = mistake["input"]
        return isinstance(given, list | tuple) and len(given) >= mistake["ctx"]["min_length"]
    return mistake["type"] == "default_factory_not_called"


def describe(mistake: ErrorDetails, model: type[BaseModel], data: Any, lines: Lines) -> str:
    """Return one mistake as `file, line N: what is wrong; what is valid`."""
    key, owner, annotation = _locate(mistake["loc"], model, data)
    dotted = ".".join(str(part) for part in key) or "the file"
    where = lines.of(key)
    match mistake["type"]:
        case "extra_forbidden":
            section = ".".join(str(part) for part in key[:-1])
            within = f"in {section}" if section else "at the top level"
            return f"{where}: unknown key {key[-1]!r} {within}{_suggest(str(key[-1]), _fields(owner))}"
        case "missing":
            return f"{where}: {dotted} is missing"
        case "union_tag_invalid":
            context = mistake["ctx"]
            valid = [tag.strip().strip("'") for tag in context["expected_tags"].split(",")]
            return f"{where}: unknown kind {context['tag']!r} in {dotted}{_suggest(context['tag'], valid, 'kinds')}"
        case "union_tag_not_found":
            return f"{where}: {dotted} needs a `kind`; valid kinds: {', '.join(_kinds(annotation))}"
        case "value_error":
            return f"{where}: {dotted}: {mistake['ctx']['error']}"
        case _:
            return f"{where}: {dotted}: {mistake['msg']}, not {_short(mistake['input'])}"


def _suggest(wrong: str, valid: Iterable[str], what: str = "keys") -> str:
    valid = sorted(valid)
    near = get_close_matches(wrong, valid, n=1, cutoff=0.5)
    guess = f"; did you mean {near[0]!r}?" if near else "."
    return f"{guess} Valid {what}: {', '.join(valid)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _locate(location: tuple[str | int, ...], model: Any, data: Any) -> tuple[Key, Any, Any]:
    """Follow pydantic's location through model and data.

    Returns the key as the file writes it (pydantic adds the tags of unions, which no file has), the annotation of the
    section that holds its last part, and the annotation of that part itself.
    """
    key: list[str | int] = []
    owner, annotation = model, model
    for part in location:
        annotation = _plain(annotation)
        members = {tag: member for member in _members(annotation) for tag in _tags(member)}
        if members and part in members and not (isinstance(data, Mapping) and part in data):
            annotation = members[str(part)]
            continue
        owner = annotation
        key.append(part)
        annotation = _below(annotation, part)
        data = _value(data, part)
    return tuple(key), owner, annotation


def _value(data: Any, part: str | int) -> Any:
    if isinstance(data, Mapping):
        return data.get(part)
    if isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
        return data[part]
    return None


def _below(annotation: Any, part: str | int) -> Any:
    """Return the annotation of a field of a model, or of an item of a sequence."""
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel) and part in member.model_fields:
            return member.model_fields[str(part)].rebuild_annotation()
        if isinstance(part, int) and get_args(member):
            return get_args(member)[0]
    return Any


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _members(annotation: Any) -> list[Any]:
    """Return the members of a union, or the annotation alone."""
    annotation = _plain(annotation)
    origin = get_origin(annotation)
    if origin is None or origin in (tuple, list, dict, Mapping):
        return [annotation]
    return [member for argument in get_args(annotation) for member in _members(argument)]


def _tags(member: Any) -> list[str]:
    if isinstance(member, type) and issubclass(member, BaseModel) and "kind" in member.model_fields:
        return [str(tag) for tag in get_args(member.model_fields["kind"].annotation)]
    return []


def _kinds(annotation: Any) -> list[str]:
    return sorted(tag for member in _members(annotation) for tag in _tags(member))


def _fields(annotation: Any) -> list[str]:
    return [
        name
        for member in _members(annotation)
        if isinstance(member, type) and issubclass(member, BaseModel)
        for name in member.model_fields
    ]
