"""Which lines of a Markdown or plain text are code, so that cleaners leave them alone."""

import re
from collections.abc import Iterable, Iterator

# Wider than CommonMark on purpose (any indentation, inside quotes and list items): what may be code is left alone.
_FENCE = re.compile(r"[\s>]*(?:[-*+]\s+|\d{1,9}[.)]\s+)?(`{3,}(?!.*`)|~{3,})")


def mark_code(lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield each line with whether it belongs to a fenced code block, the fences included.

    As in CommonMark, a fence that is never closed runs to the end of the text.
    """
    fence = ""
    for line in lines:
        if fence:
            yield line, True
            if _closes(line, fence):
                fence = ""
            continue
        opening = _FENCE.match(line)
        fence = opening[1] if opening else ""
        yield line, bool(fence)


def _closes(line: str, fence: str) -> bool:
    bare = line.strip(" \t>")
    return len(bare) >= len(fence) and not bare.strip(fence[0])
