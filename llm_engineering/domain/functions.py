"""Functions of the user's own, named in a configuration as `package.module:name`."""

import importlib
import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator

from llm_engineering.domain.errors import UsageError

FUNCTION = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"


def _named(name: str) -> str:
    if re.match(FUNCTION, name) is None or name.endswith("\n"):
        raise ValueError(f"{name!r} names no function; write package.module:name, for example my_project.wiki:load")
    return name


FunctionName = Annotated[str, AfterValidator(_named)]


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


def called(name: str, *arguments: Any, **options: Any) -> Any:
    """Call the function that a configuration names.

    Raises:
        UsageError: there is none, or it does not take these arguments.
    """
    function = function_named(name)
    try:
        return function(*arguments, **options)
    except TypeError as error:
        if (mistake := _unfit(function, arguments, options)) is None:
            raise
        shown = ", ".join([f"{len(arguments)} arguments", *options])
        raise UsageError(f"{name} cannot be called with {shown}: {mistake}; see its `options`") from error


def _unfit(function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> str | None:
    """Return why a function does not take these arguments, or None if it does, or nobody knows."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some that are written in C have none
        return None
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        return str(error)
    return None
