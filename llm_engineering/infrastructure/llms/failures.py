"""The failures of model libraries, told in this project's errors: without keys, prompts or completions.

What a server says of a failure may repeat the prompt, so only its codes are passed on, and the library's own exception,
which holds the rest, is left behind.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.domain.errors import BackendError, LLMEngineeringError, UsageError

if TYPE_CHECKING:
    from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError

_CODE = re.compile(r"[\w.-]{1,64}")
# Statuses after which the same request may succeed.
_PASSING = {408, 409, 425, 429}


class Refused(BackendError):  # noqa: N818 - a decision, not a fault
    """The server said no instead of working, so the call cost nothing."""


class LeftAlone(Refused):
    """The model was not asked, because it failed too often; nobody should wait for it."""


class SchemaRefused(Refused):
    """The server does not take a JSON Schema for its answer."""


@contextmanager
def translated(name: str, *, has_schema: bool = False) -> Iterator[None]:
    """Raise what goes wrong with a model inside as an error of this project. Cancellation passes as it is."""
    try:
        yield
    except LLMEngineeringError:
        raise
    except Exception as error:  # noqa: BLE001 - each library has its own; none may pass with a prompt in it
        raise _translation(error, name, has_schema) from None


def _translation(error: Exception, name: str, has_schema: bool) -> LLMEngineeringError:
    from pydantic_ai import exceptions as vendor

    for cause in _chain(error):
        if getattr(cause, "is_unwelcome", False):
            return BackendError(f"the server of model {name!r} is not listened to: {cause}")
        if 300 <= getattr(cause, "status_code", 0) < 400:
            return UsageError(f"the server of model {name!r} redirects; set `base_url` to the address it redirects to")
    if isinstance(error, vendor.ModelHTTPError):
        return _of_status(error, name, has_schema)
    if isinstance(error, vendor.ModelConnectionError):
        is_unsent = error.phase in ("pool", "connect")
        how = "could not be reached" if is_unsent else "broke the connection off"
        kind = Refused if is_unsent else BackendError
        return kind(
            f"the server of model {name!r} {how} ({_class_of(error)}); check that it runs, and its address",
            transient=True,
        )
    if isinstance(error, vendor.UserError) and has_schema and "output" in str(error):
        return SchemaRefused(f"model {name!r} takes no JSON Schema")
    if isinstance(error, vendor.UserError):
        return UsageError(f"model {name!r} cannot be asked like this: {error}")
    if isinstance(error, vendor.ModelAPIError):
        # An error inside an open stream, or one of a library that has no status.
        codes = _codes(error)
        return BackendError(
            f"model {name!r} failed ({_class_of(error)}{codes})", transient=not codes, retry_after=error.retry_after
        )
    if isinstance(error, vendor.ContentFilterError):
        return BackendError(f"model {name!r} refused to answer: its content filter stopped the answer")
    logger.debug("model {}: {} while its answer was read", name, type(error).__name__)
    return BackendError(
        f"the server of model {name!r} sent something that is no answer ({_class_of(error)}); check that its "
        "address is the one of its API",
        transient=True,
    )


def _of_status(error: "ModelHTTPError", name: str, has_schema: bool) -> LLMEngineeringError:
    from pydantic_ai import exceptions as vendor

    status, codes = error.status_code, _codes(error)
    if status == 401 or (status == 403 and isinstance(error, vendor.ModelAuthenticationError)):
        return UsageError(f"model {name!r}: the key was refused (HTTP {status}{codes}); check `api_key` and its rights")
    if status == 404:
        return UsageError(
            f"model {name!r}: not found at its server (HTTP 404{codes}); check `model` and `base_url`, which usually "
            "ends in /v1"
        )
    if isinstance(error, vendor.ModelQuotaExceededError):
        return Refused(f"model {name!r}: the account's quota or credit is used up (HTTP {status}{codes})")
    if isinstance(error, vendor.ModelContextWindowExceededError):
        return Refused(f"model {name!r}: the prompt is longer than it reads at once; use fewer or shorter passages")
    if has_schema and status in (400, 422, 501):
        return SchemaRefused(f"model {name!r}: the request was refused (HTTP {status}{codes})")
    is_passing = status in _PASSING or status >= 500
    kind = BackendError if error.in_stream else Refused
    what = "asks to wait" if status == 429 else "failed" if status >= 500 else "refused the request"
    wait = f", in {error.retry_after:g} s" if error.retry_after is not None else ""
    return kind(
        f"the server of model {name!r} {what} (HTTP {status}{codes}{wait})",
        transient=is_passing,
        retry_after=error.retry_after,
    )


def _codes(error: "ModelAPIError") -> str:
    """Return the server's codes for the failure. Anything that is not a plain word is left out."""
    found = dict.fromkeys(code for code in (error.provider_error_type, error.provider_error_code) if code)
    words = [code for code in found if isinstance(code, str) and _CODE.fullmatch(code)]
    return f", {', '.join(words)}" if words else ""


def _class_of(error: BaseException) -> str:
    """Name the library's exception and its causes."""
    return ": ".join(type(cause).__name__ for cause in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from, outermost first."""
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__
