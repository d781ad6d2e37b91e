"""What an optional part of this project needs to be installed."""

from importlib.util import find_spec

from llm_engineering.domain.errors import UsageError


def require(extra: str, what: str, *modules: str) -> None:
    """Refuse to go on without the packages of an extra; nothing is imported.

    >>> require("code", "the parser tree_sitter", "json")

    Raises:
        UsageError: one of the modules is not installed; says what to type.
    """
    if not all(_is_there(module) for module in modules):
        raise UsageError(f"{what} needs the extra {extra!r}; type: poetry install --extras {extra}")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is not there
        return False
