"""Functions of the user's own, named in a configuration as `package.module:name`."""

import importlib
from collections.abc import Callable
from typing import Any

from llm_engineering.domain.errors import UsageError

FUNCTION = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"


def function_named(name: str) -> Callable[..., Any]:
    """Import the function that a configuration names.

    >>> function_named("os.path:basename")("a/b")
    'b'

    Raises:
        UsageError: the module cannot be imported, or has no such function; says which it has.
    """
    module_name, _, function_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UsageError(
            f"the module {module_name!r} of {name!r} cannot be imported ({type(error).__name__}: {error}); check the "
            "name, and that it lies in the working folder or is installed"
        ) from error
    found: Callable[..., Any] | None = getattr(module, function_name, None)
    if found is None or not callable(found):
        has = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        shown = ", ".join(has[:10]) or "none"
        raise UsageError(f"{module_name} has no function {function_name!r}; its functions are: {shown}")
    return found
