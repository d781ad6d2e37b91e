"""Templates of rows: Jinja2 in its sandbox, where a name that the row lacks is an error and not an empty text."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from llm_engineering.domain.errors import SourceError

if TYPE_CHECKING:
    from jinja2 import Template

_LONGEST = 10_000_000  # characters that a template may make of one row


def _valid(text: str) -> str:
    compiled(text)  # a ValueError refuses the configuration
    return text


RowTemplate = Annotated[str, AfterValidator(_valid)]


@lru_cache(maxsize=64)
def compiled(text: str) -> "Template":
    """Return the template, ready to be filled.

    Raises:
        ValueError: it is no Jinja2.
    """
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    try:
        return environment.from_string(text)
    except TemplateError as error:
        raise ValueError(f"the template is no Jinja2: {error}; write {{{{ column }}}}, or row['a column']") from error


def _shown(value: Any) -> Any:
    """Return a value as it stands in a text: nothing for None, JSON for what has parts."""
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None else value


def filled(template: str, row: Mapping[str, Any]) -> str:
    """Return the text of a row. Each column is a name; the whole row is `row`, for columns whose names hold blanks.

    Raises:
        SourceError: `missing_field`, the row lacks a column; `template`, it cannot be filled with these values.
    """
    from jinja2 import TemplateError, UndefinedError

    try:
        text = compiled(template).render({"row": row, **row})
    except UndefinedError as error:
        has = ", ".join(map(str, row)) or "none"
        raise SourceError("missing_field", f"the template: {error}; the columns are: {has}") from error
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, MemoryError) as error:
        raise SourceError("template", f"the template cannot be filled with this row: {error}") from error
    if len(text) > _LONGEST:
        raise SourceError("too_large", f"the template makes {len(text):,} characters of this row")
    return text


def all_columns(row: Mapping[str, Any]) -> str:
    """Return every column that holds something as a line `name: value`: the text of a row without a template."""
    return "\n".join(f"{name}: {_shown(value)}" for name, value in row.items() if value not in (None, "") and name)
