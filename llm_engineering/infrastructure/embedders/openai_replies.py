"""What a server of embeddings says, checked: its answers, and its failures told in this project's errors.

What a server says of a failure may repeat the text that was sent, so only its codes are passed on.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError, LLMEngineeringError, UsageError
from llm_engineering.infrastructure.embedders.vectors import unit_vectors

_CODE = re.compile(r"[\w.-]{1,64}")
# Statuses after which the same request may succeed, and those that fewer texts may help against.
_PASSING = {408, 409, 425, 429}
_TOO_MUCH = {400, 413, 422}
_LONGEST_WAIT = 3_600.0


class TooMuch(BackendError):  # noqa: N818 - fewer texts are sent then
    """The server refused a request for what is in it: too many texts, or too long ones."""


def read_vectors(content: bytes, count: int, dimension: int, model: str) -> list[Vector]:
    """Return the unit vectors of an answer in the order of the texts, which `index` says.

    Raises:
        BackendError: it is no answer to `count` texts, or holds a vector that is zero or no number.
        UsageError: the vectors have another dimension.
    """
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    entries = body.get("data") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        raise _no_answer(model, "it is no JSON with `data`")
    if len(entries) != count:
        raise _no_answer(model, f"it has {len(entries)} vectors for {count} texts")
    found: dict[int, NDArray[np.float32]] = {}
    for entry in entries:
        place = entry.get("index") if isinstance(entry, dict) else None
        if type(place) is not int or not 0 <= place < count or place in found:
            raise _no_answer(model, f"`index` does not name each of {count} texts once")
        found[place] = _vector(entry.get("embedding"), dimension, model)
    return unit_vectors(np.stack([found[place] for place in range(count)]), model, "as its server sent it")


def _vector(sent: Any, dimension: int, model: str) -> NDArray[np.float32]:
    """Return one vector, sent as a list of numbers or as base64 of little-endian float32."""
    if isinstance(sent, str):
        try:
            vector = np.frombuffer(base64.b64decode(sent, validate=True), "<f4").astype(np.float32)
        except (ValueError, binascii.Error):
            raise _no_answer(model, "a vector is no base64 of 32-bit numbers") from None
    elif isinstance(sent, list) and sent and all(type(number) in (int, float) for number in sent):
        try:
            with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused as that
                vector = np.array(sent, dtype=np.float64).astype(np.float32)
        except OverflowError:
            raise _no_answer(model, "a vector holds a number of hundreds of digits") from None
    else:
        raise _no_answer(model, "a vector is no list of numbers")
    if len(vector) != dimension:
        raise UsageError(
            f"model {model!r} gives vectors of {len(vector)} components, `embedding.dimension` says {dimension}; set "
            f"it to {len(vector)}, or `shorten: true` if the model can give shorter ones"
        )
    # A vector whose squares pass what 32 bits hold would look infinitely long.
    largest = np.abs(vector).max()
    return vector / largest if np.isfinite(largest) and largest > 0 else vector


def _no_answer(model: str, why: str) -> BackendError:
    return BackendError(
        f"the server of model {model!r} sent something that is no answer ({why}); check that `base_url` is the address "
        "of its API",
        transient=True,
    )


def translated(error: Exception, model: str, texts: Sequence[str]) -> LLMEngineeringError:
    """Return what OpenAI's library raised as an error of this project."""
    import openai

    chain: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in chain:
        chain.append(step)
        step = step.__cause__ or step.__context__
    for cause in chain:
        if getattr(cause, "is_unwelcome", False):
            return BackendError(f"the server of model {model!r} is not listened to: {cause}")
    if isinstance(error, openai.APIStatusError):
        return _of_status(error.status_code, error.response.headers, error.body, model, texts)
    if isinstance(error, openai.APITimeoutError):
        return BackendError(f"the server of model {model!r} did not answer in time (`timeout`)", transient=True)
    if isinstance(error, openai.APIConnectionError):
        return BackendError(
            f"the server of model {model!r} could not be reached, or broke the connection off "
            f"({type(chain[-1]).__name__}); check that it runs, and `base_url`",
            transient=True,
        )
    return BackendError(f"the server of model {model!r} sent something that is no answer ({type(error).__name__})")


def _of_status(
    status: int, headers: Mapping[str, str], body: object, model: str, texts: Sequence[str]
) -> LLMEngineeringError:
    codes = _codes(body)
    said = f"HTTP {status}{codes}"
    if 300 <= status < 400:
        return UsageError(f"the server of model {model!r} redirects; set `base_url` to the address it redirects to")
    if status in (401, 403):
        return UsageError(f"model {model!r}: the key was refused ({said}); check `api_key` and its rights")
    if status == 404:
        return UsageError(
            f"model {model!r}: not found at its server ({said}); check `model` and `base_url`, which usually ends "
            "in /v1"
        )
    if status in _TOO_MUCH or (status == 429 and _is_too_large(body)):
        longest = max(map(len, texts), default=0)
        return TooMuch(
            f"the server of model {model!r} refused {len(texts)} texts of up to {longest} characters ({said}). If they "
            "are too long for it, a smaller `embedding.max_tokens` makes shorter chunks; else check the settings of "
            "`embedding`, such as `shorten` and `encoding`"
        )
    is_passing = (status in _PASSING or status >= 500) and "insufficient_quota" not in codes
    return BackendError(
        f"the server of model {model!r} failed ({said})", transient=is_passing, retry_after=retry_after(headers)
    )


def _is_too_large(body: object) -> bool:
    """Whether a request would pass a limit of tokens a minute by itself, so that waiting does not help."""
    inner = body.get("error", body) if isinstance(body, dict) else None
    return isinstance(inner, dict) and "too large" in str(inner.get("message", "")).lower()


def _codes(body: object) -> str:
    """Return the codes in the body of a failure, each a word; nothing else of it."""
    inner = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(inner, dict):
        return ""
    found = [str(inner.get(name) or "") for name in ("type", "code")]
    return "".join(f", {code}" for code in dict.fromkeys(found) if _CODE.fullmatch(code))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return after how many seconds the server wants to be asked again, an hour at most; None if it does not say."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if value else None
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except (ValueError, TypeError, OverflowError):
            return None
    if seconds is None or seconds != seconds:  # "nan" is a float, too
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)
