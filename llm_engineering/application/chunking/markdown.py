"""Markdown by its headings."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from pydantic import Field

from llm_engineering.application.chunking.indented import indented_blocks
from llm_engineering.application.chunking.packing import Packer
from llm_engineering.application.chunking.passages import Passage
from llm_engineering.application.chunking.pieces import Context, Piece, flat_lines, paragraph, prose, stretched
from llm_engineering.application.chunking.sentences import Sentences
from llm_engineering.application.chunking.sizing import Sizer
from llm_engineering.application.chunking.window import Windowed
from llm_engineering.application.text.markdown import Block, parse_markdown
from llm_engineering.application.text.spans import trim
from llm_engineering.domain.documents import CleanedDocument

# Each block takes about 2 KB in the tree.
_MOST_BLOCKS = 250_000


class Markdown(Windowed):
    """Chunk Markdown by its headings; the context is the title and the headings above.

    A section that fits the window is one chunk. A longer one is divided between paragraphs, list items, table rows and
    sentences; a heading stays with what follows it. Small sections share a chunk with their siblings only.

    A text of more than 250,000 lines and table cells is data rather than writing. Its tree would take gigabytes, so it
    is divided like plain text.
    """

    kind: Literal["markdown"] = "markdown"
    target_tokens: int = Field(64, ge=1, description="sibling sections are put together up to this size")

    def passages(self, document: CleanedDocument, sizer: Sizer) -> Iterable[Passage]:
        text = document.text
        if text.count("\n") + text.count("|") > _MOST_BLOCKS:
            return Sentences(max_tokens=self.max_tokens).passages(document, sizer)
        root = _outline(parse_markdown(text), len(text))
        context = (document.title,) if document.title else ()
        return Packer(_section(text, root, context), sizer, fill=sizer.room, siblings=self.target_tokens)


@dataclass(slots=True)
class _Section:
    """A heading with the blocks below it, up to the first heading among them, and the sections inside it."""

    start: int
    level: int
    end: int = 0
    heading: Block | None = None
    blocks: list[Block] = field(default_factory=list)
    sections: list["_Section"] = field(default_factory=list)


def _outline(blocks: Sequence[Block], end: int) -> _Section:
    """Arrange the blocks of a text of length `end` under their headings."""
    root = _Section(start=0, level=0)
    path = [root]
    for block in blocks:
        if block.kind != "heading":
            path[-1].blocks.append(block)
            continue
        while path[-1].level >= block.level:
            path.pop().end = block.start
        section = _Section(start=block.start, level=block.level, heading=block)
        path[-1].sections.append(section)
        path.append(section)
    for section in path:
        section.end = end
    return root


def _section(text: str, section: _Section, context: Context) -> Piece:
    bare = section.heading is not None and not section.blocks and not section.sections
    return Piece(
        section.start,
        section.end,
        context,
        lambda: _subsections(text, section, context),
        bond="group" if section.sections else "section",
        leads=bare,
    )


def _subsections(text: str, section: _Section, context: Context) -> Iterator[Piece]:
    """Divide a section into what stands before its first subsection, and its subsections."""
    inner = (*context, section.heading.title) if section.heading else context
    if inner[-2:-1] == inner[-1:]:
        inner = inner[:-1]  # the title of the document is often its first heading
    if not section.sections:
        yield from _body(text, section, section.end, context, inner)
        return
    first = section.sections[0].start
    if first > section.start:
        body = partial(_body, text, section, first, context, inner)
        yield Piece(section.start, first, context, body, "section", leads=not section.blocks)
    for subsection in section.sections:
        yield _section(text, subsection, inner)


def _body(text: str, section: _Section, end: int, context: Context, inner: Context) -> Iterator[Piece]:
    starts = [block.start for block in section.blocks] + [end]
    if section.heading is not None:
        yield Piece(section.start, starts[0], context, leads=True)
        yield from _blocks(text, section.blocks, starts[0], end, inner)
    else:
        yield from _blocks(text, section.blocks, section.start, end, inner)


def _blocks(text: str, blocks: Sequence[Block], start: int, end: int, context: Context) -> Iterator[Piece]:
    """Make pieces of blocks that cover [start, end): each reaches to the next one, the first from the start."""
    if not blocks and start < end:
        yield from prose(text, start, end, context)
    for index, block in enumerate(blocks):
        first = start if index == 0 else block.start
        last = blocks[index + 1].start if index + 1 < len(blocks) else end
        yield block_piece(text, block, first, last, context)


def block_piece(text: str, block: Block, start: int, end: int, context: Context) -> Piece:
    """Return a block as a piece that covers [start, end), divided as its kind wants it."""
    match block.kind:
        case "fence":
            return Piece(start, end, context, lambda: _fenced(text, start, end, context), atomic=True)
        case "code_block":
            return Piece(start, end, context, lambda: indented_blocks(text, start, end, context), atomic=True)
        case "table":
            return Piece(start, end, context, lambda: _rows(text, block, start, end, context))
        case "heading":  # inside a list item or a quotation
            return Piece(start, end, context, leads=True)
        case "front_matter" | "html_block":
            return Piece(start, end, context, lambda: flat_lines(text, start, end, context))
    if block.children:
        return Piece(start, end, context, lambda: _blocks(text, block.children, start, end, context))
    return paragraph(text, start, end, context)


def _fenced(text: str, start: int, end: int, context: Context) -> Iterator[Piece]:
    """Divide like source code; the closing fence stays with the last line, for alone it says nothing."""
    closing = text.rfind("\n", start, trim(text, start, end)[1]) + 1
    if closing > start and not text[closing:end].strip().strip("`~"):
        yield from stretched(indented_blocks(text, start, closing, context), end)
    else:
        yield from indented_blocks(text, start, end, context)


def _rows(text: str, table: Block, start: int, end: int, context: Context) -> Iterator[Piece]:
    """Divide a table into rows; the rows of the body are told the table's head."""
    head, *body = table.children
    first = body[0].start if body else end
    yield Piece(start, first, context, atomic=True, leads=bool(body))
    inner = (*context, text[head.start : head.end])
    for index, row in enumerate(body):
        last = body[index + 1].start if index + 1 < len(body) else end
        yield Piece(row.start, last, inner, atomic=True)
