"""Logging by loguru, configured once, on standard error: standard output belongs to results."""

import re
import sys
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

# user:password@ in URLs, and values of keys that name a secret.
_SECRETS = (
    (re.compile(r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"), "***:***"),
    (
        re.compile(r"(?i)\b(api[_-]?key|token|password|secret|authorization)(['\"]?\s*[:=]\s*['\"]?)[^\s'\",}]+"),
        r"\1\2***",
    ),
)


def redact(text: str) -> str:
    """Replace credentials in URLs and values of secret-looking keys by ***.

    >>> redact("git clone https://me:hunter2@example.org/r.git")
    'git clone https://***:***@example.org/r.git'
    """
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def configure_logging(level: str = "INFO") -> None:
    """Send logs to standard error in one short format, with secrets redacted."""

    def patch(record: "Record") -> None:
        record["message"] = redact(record["message"])

    logger.remove()
    logger.configure(patcher=patch)
    logger.add(sys.stderr, level=level, format="<dim>{time:HH:mm:ss}</dim> <level>{level: <7}</level> {message}")
