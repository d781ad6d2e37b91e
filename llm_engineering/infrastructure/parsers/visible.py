"""What a reader of an HTML page sees: its text in blocks, without navigation, and what its head says."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from llm_engineering.infrastructure.parsers.markup import code_block

Chrome = Literal["", "named", "aside", "semantic"]

_ENOUGH_INK = 200


def ink(text: str) -> int:
    """Count the characters that are not blank: what can be compared when spacing differs."""
    return len("".join(text.split()))


@dataclass(frozen=True, slots=True)
class Block:
    """A heading (`h1` …), paragraph (`p`), list item (`li`), `table`, cell (`tr`) or preformatted text (`pre`) as seen.

    `chrome` tells whether it belongs to navigation, footer or the like: `semantic` if tags or roles say so, `aside` for
    asides, dialogs and buttons, `named` if only a class or id says so. `linked` counts non-blank characters in links.
    `marked` is the text with the marks of links and inline code, see `links`.
    """

    tag: str
    text: str
    chrome: Chrome
    linked: int
    marked: str

    @property
    def markdown(self) -> str:
        """The block as Markdown, its links and inline code still marks."""
        if self.tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            return f"{'#' * int(self.tag[1])} {self.marked}"
        if self.tag == "pre":
            return code_block(self.text)
        return f"- {self.marked}" if self.tag == "li" else self.marked


@dataclass
class VisiblePage:
    """The blocks of a page in order, and what its head says. `meta` is by lower-case name or property."""

    blocks: list[Block] = field(default_factory=list)
    title: str = ""
    canonical: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    json_ld: list[str] = field(default_factory=list)
    noscript: str = ""
    passwords: int = 0  # fields that ask for one

    @cached_property
    def content(self) -> list[Block]:
        """The blocks that are no navigation. Class names are not believed when they would leave next to nothing."""
        content = [block for block in self.blocks if not block.chrome]
        if sum(ink(block.text) for block in content) < _ENOUGH_INK:
            content = [block for block in self.blocks if block.chrome in ("", "named")]
        return content

    @cached_property
    def unlinked(self) -> int:
        """How many non-blank characters of the content stand outside links."""
        return sum(ink(block.text) - block.linked for block in self.content)

    @cached_property
    def ink(self) -> int:
        """How many non-blank characters are seen, navigation included."""
        return sum(ink(block.text) for block in self.blocks)

    @property
    def headings(self) -> list[str]:
        """The texts of the top headings outside navigation."""
        return [block.text for block in self.content if block.tag == "h1"]

    @cached_property
    def text(self) -> str:
        """All that is seen, navigation left out, without any markup."""
        return "\n\n".join(block.text for block in self.content)

    def markdown(self) -> str:
        """Return all that is seen, navigation left out, as Markdown, its links and inline code still marks."""
        return "\n\n".join(block.markdown for block in self.content)
