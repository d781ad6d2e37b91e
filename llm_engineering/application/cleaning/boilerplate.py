"""Lines that belong to the web site and not to the text: subscribe, share, cookies, copyright, navigation."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from pydantic import Field, field_validator

from llm_engineering.application.cleaning.boilerplate_patterns import PATTERNS
from llm_engineering.application.cleaning.code_lines import mark_code
from llm_engineering.domain.documents import Format
from llm_engineering.domain.value import Value

_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,2000}(?: \"[^\"]{0,200}\")?\)")
_ONLY_LINKS = re.compile(rf"\s*[-*+]\s+(?:{_LINK.pattern}[\s|·•,/]*)+")
# Headings, table rows, indented code, and list items that are no bare link are the author's.
_STRUCTURE = re.compile(r" {4,}|\t|\s*(?:#{1,6}\s|\||[-*+]\s|\d{1,9}[.)]\s)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)\s*")


class Boilerplate(Value):
    """Drop whole lines of a web site's frame from Markdown and plain text, never from code or records.

    Headings, table rows and list items stay, unless the item is nothing but a link. So does a line that is longer
    than `max_length`, so that a sentence which merely contains the words survives.
    """

    kind: Literal["boilerplate"] = "boilerplate"
    max_length: int = Field(160, ge=1, le=1000, description="longer lines are never dropped; in characters")
    use_defaults: bool = Field(True, description="whether the built-in English patterns apply")
    patterns: tuple[str, ...] = Field((), description="regular expressions of your own; each must match a whole line")

    @field_validator("patterns")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error}); escape special characters") from None
        return patterns

    def clean(self, text: str, format: Format) -> str:
        if format not in {"markdown", "text"}:
            return text
        return "\n".join(self._lines(text.split("\n")))

    def _lines(self, lines: list[str]) -> Iterator[str]:
        pattern = _compiled((*PATTERNS, *self.patterns) if self.use_defaults else self.patterns)
        opens_paragraph = True
        for (line, is_code), after in zip(mark_code(lines), [*lines[1:], ""], strict=True):
            is_heading = after and _UNDERLINE.fullmatch(after[:200])
            if is_code or is_heading or not self._matches(line, pattern, opens_paragraph):
                opens_paragraph = not line.strip()
                yield line

    def _matches(self, line: str, pattern: "re.Pattern[str] | None", opens_paragraph: bool) -> bool:
        """Tell whether the line is boilerplate. A lower-case line inside a paragraph is the end of a sentence."""
        if pattern is None or len(line) > 10 * self.max_length or not line.strip():
            return False
        if _STRUCTURE.match(line) and not _ONLY_LINKS.fullmatch(line):
            return False
        bare = _LINK.sub(r"\1", line).strip(" \t*_>-+•·|[]")
        if not 0 < len(bare) <= self.max_length or (bare[0].islower() and not opens_paragraph):
            return False
        return pattern.fullmatch(bare) is not None


@lru_cache(maxsize=32)
def _compiled(patterns: tuple[str, ...]) -> "re.Pattern[str] | None":
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE) if patterns else None
