"""What must never be shown: credentials in URLs, and values of keys that name a secret."""

import re
from collections.abc import Mapping
from typing import Any

_SECRETS = (
    (re.compile(r"(?<=://)[^\s/@]+(?=@)"), "***"),
    (
        re.compile(
            r"(?i)\b((?:[\w-]{0,40}(?:api[_-]?key|token|password|passwd|secret))|authorization)(['\"]?\s*[:=]\s*['\"]?)[^\s'\",}&]+"
        ),
        r"\1\2***",
    ),
)


def redact(text: str) -> str:
    """Return the text with secrets replaced by ***.

    >>> redact("git clone https://me:hunter2@example.org/r.git")
    'git clone https://***@example.org/r.git'
    >>> redact("GET https://example.org/x?api_key=abc&page=2")
    'GET https://example.org/x?api_key=***&page=2'
    """
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def redacted(value: Any) -> Any:
    """Return a JSON-like value with the secrets in its texts, and under its keys, replaced by ***.

    >>> redacted({"url": "https://me:pw@example.org", "api_key": "abc", "tokens": 7})
    {'url': 'https://***@example.org', 'api_key': '***', 'tokens': 7}
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: "***" if _names_a_secret(key, item) else redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def _names_a_secret(key: object, item: object) -> bool:
    return isinstance(item, str) and bool(item) and redact(f"{key}={item}") == f"{key}=***"
