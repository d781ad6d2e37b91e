"""The block structure of a Markdown text, with character offsets, from markdown-it-py's token maps."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from llm_engineering.application.text.spans import lines

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"---[ \t]*\n(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_LONGEST_TITLE = 300
_LONGEST_FRONT_MATTER = 20_000


@dataclass(slots=True)
class Block:
    """A block at [start, end): heading, paragraph, fence, code_block, html_block, bullet_list, list_item, blockquote,
    table, tr, hr or front_matter. Only headings have a level (1–6) and a title; only containers have children.
    """

    kind: str
    start: int
    end: int
    level: int = 0
    title: str = ""
    children: list["Block"] = field(default_factory=list)


def parse_markdown(text: str) -> list[Block]:
    """Return the top-level blocks of a Markdown text, in order. What lies between two blocks is white space.

    Linear in the length of the text; nesting is followed 20 levels deep.
    """
    front = _FRONT_MATTER.match(text, 0, min(len(text), _LONGEST_FRONT_MATTER))
    offset = front.end() if front else 0
    starts = [span.start for span in lines(text, offset, len(text))]
    starts.append(len(text))
    blocks = _tree(_parser().parse(text[offset:]), starts)
    return [Block("front_matter", 0, offset), *blocks] if front else blocks


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    # Only blocks are wanted. Without the reference rule a link definition is a paragraph, and none is lost.
    parser.disable("reference").core.ruler.enableOnly(["normalize", "block"])
    return parser


def _tree(tokens: "list[Token]", starts: list[int]) -> list[Block]:
    root = Block("root", 0, 0)
    open_blocks = [root]
    for token in tokens:
        if token.type == "inline" and open_blocks[-1].kind == "heading":
            open_blocks[-1].title = _plain(token.content)
        if token.nesting == -1:
            if token.map is None and len(open_blocks) > 1 and token.type == f"{open_blocks[-1].kind}_close":
                open_blocks.pop()
            continue
        block = _block(token, starts)
        if block is None:
            continue
        open_blocks[-1].children.append(block)
        if token.nesting == 1:
            open_blocks.append(block)
    return root.children


def _block(token: "Token", starts: list[int]) -> Block | None:
    """Return the token's block; None for inline content and for the halves and cells of a table."""
    kind = token.type.removesuffix("_open")
    if token.map is None or kind in {"inline", "thead", "tbody", "th", "td"}:
        return None
    first, last = (starts[min(line, len(starts) - 1)] for line in token.map)
    level = int(token.tag[1]) if kind == "heading" else 0
    return Block(kind, first, last, level)


def _plain(heading: str) -> str:
    """Return a heading's text without links, emphasis and code marks."""
    return _LINK.sub(r"\1", heading[:_LONGEST_TITLE]).replace("`", "").replace("*", "").strip(" _")
