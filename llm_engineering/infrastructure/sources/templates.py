"""Templates with plain `{field}` places. Nothing else of Python's format language is allowed, so a template from a file
can reach nothing but the fields, and braces in the data mean nothing."""

from collections.abc import Mapping
from functools import lru_cache
from string import Formatter

from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Scalar


@lru_cache(maxsize=64)
def parsed(template: str) -> tuple[tuple[str, str | None], ...]:
    """Return the template as pairs of literal text and the field after it, None at the end.

    Raises:
        ValueError: a place is not a plain `{field}`.
    """
    pieces = []
    for literal, name, spec, conversion in Formatter().parse(template):
        if name is not None and (spec or conversion or not name.strip() or set(name) & set(".[]{}")):
            given = f"{{{name}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}}"
            raise ValueError(
                f"{given} in the template is not a plain field; write {{question}}, and {{{{ }}}} for braces"
            )
        pieces.append((literal, name))
    return tuple(pieces)


def fields_of(template: str) -> tuple[str, ...]:
    """Return the fields of a template in their order, each once."""
    return tuple(dict.fromkeys(name for _, name in parsed(template) if name is not None))


def fill(template: str, record: Mapping[str, object]) -> str:
    """Fill the places of a template. A null is an empty text; a list of plain values is joined by commas.

    Raises:
        SourceError: `missing_field`, the record lacks a field, or has an object there; names the fields it has.
    """
    missing = [name for name in fields_of(template) if name not in record]
    if missing:
        has = ", ".join(record) or "none"
        raise SourceError("missing_field", f"the template needs {', '.join(missing)}; the record's fields are: {has}")
    return "".join(
        literal + (_text(name, record[name]) if name is not None else "") for literal, name in parsed(template)
    )


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, Scalar) for part in value):
        return ", ".join(_text(name, part) for part in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise SourceError("missing_field", f"the field {name} holds {type(value).__name__} and no text; choose another one")
