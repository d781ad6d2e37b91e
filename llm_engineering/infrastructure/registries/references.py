"""How a version of a model is named: `NAME`, `NAME@NUMBER`, `NAME@STAGE`; in YAML with `registry:` before it."""

import re

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import Stage

SCHEME = "registry:"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_STAGES = [stage.value for stage in Stage if stage is not Stage.NONE]


def checked_name(name: str) -> str:
    """Return a model's name, which is also that of its folder.

    Raises:
        UsageError: it is none.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a model; use up to 63 letters, digits, '-', '_' and '.', beginning with a letter "
            "or digit"
        )
    return name


def split_reference(reference: str) -> tuple[str, str]:
    """Return name and selector (a number, a stage, or nothing) of a reference, with or without its scheme.

    Raises:
        UsageError: it is no reference.

    >>> split_reference("registry:retriever@3")
    ('retriever', '3')
    >>> split_reference("retriever")
    ('retriever', '')
    """
    name, at, selector = reference.removeprefix(SCHEME).partition("@")
    checked_name(name)
    is_number = re.fullmatch(r"[1-9][0-9]{0,8}", selector) is not None
    if (at and not selector) or (selector and not is_number and selector not in _STAGES):
        raise UsageError(
            f"{reference!r} is no reference to a model; write NAME, NAME@NUMBER (counted from 1) or NAME@STAGE with "
            f"one of {', '.join(_STAGES)}"
        )
    return name, selector
