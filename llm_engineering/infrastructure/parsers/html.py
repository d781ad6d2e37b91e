"""From the bytes of an HTML page to its characters."""

import re

from llm_engineering.infrastructure.parsers.text import decode

_DECLARED = re.compile(rb"""(?i)<(?:meta[^>]+charset|\?xml[^>]+encoding)\s*=\s*["']?\s*([a-z0-9_:.-]+)""")
_HEAD_BYTES = 4096


def decode_html(raw: bytes, declared: str = "") -> str:
    """Decode a page by the charset of its HTTP header, or the one that it names itself.

    Raises:
        SourceError: `binary` or `empty`.
    """
    if not declared and (found := _DECLARED.search(raw[:_HEAD_BYTES])):
        declared = found.group(1).decode("ascii")
    return decode(raw, declared)
