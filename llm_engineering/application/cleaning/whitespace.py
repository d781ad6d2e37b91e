"""Blanks that nobody meant."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from llm_engineering.application.cleaning.code_lines import mark_code
from llm_engineering.domain.documents import Format
from llm_engineering.domain.value import Value


class Whitespace(Value):
    """Remove blanks at the ends of lines and surplus blank lines. Code, fenced or as a whole document, stays as it is.

    The two blanks of Markdown's line break stay too.
    """

    kind: Literal["whitespace"] = "whitespace"
    max_blank_lines: int = Field(2, ge=1, le=10, description="more blank lines in a row than this are dropped")

    def clean(self, text: str, format: Format) -> str:
        if format == "code":
            return text
        kept = list(self._lines(text.split("\n"), breaks=format == "markdown"))
        first = next((index for index, line in enumerate(kept) if line), len(kept))
        last = len(kept)
        while last > first and not kept[last - 1]:
            last -= 1
        return "\n".join(kept[first:last])

    def _lines(self, lines: list[str], *, breaks: bool) -> Iterator[str]:
        blank_lines = 0
        following = [*lines[1:], ""]
        for (line, is_code), after in zip(mark_code(lines), following, strict=True):
            stripped = line if is_code else line.rstrip()
            if is_code or stripped:
                blank_lines = 0
                is_break = breaks and not is_code and line.endswith("  ") and after.strip()
                yield f"{stripped}  " if is_break else stripped
                continue
            blank_lines += 1
            if blank_lines <= self.max_blank_lines:
                yield ""
