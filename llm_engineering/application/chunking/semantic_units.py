"""The sentences and blocks of a text, between which a chunk may end where its meaning turns."""

from collections.abc import Iterator
from dataclasses import dataclass

from llm_engineering.application.chunking.markdown import block_piece
from llm_engineering.application.chunking.pieces import Context, Piece, flat_lines
from llm_engineering.application.text.markdown import Block, parse_markdown
from llm_engineering.application.text.sentences import sentence_spans
from llm_engineering.domain.documents import CleanedDocument

_MOST_BLOCKS = 250_000
_INSIDE = frozenset(["bullet_list", "ordered_list", "list_item", "blockquote"])


@dataclass(frozen=True, slots=True)
class SemanticUnit:
    """What is never parted for its meaning: a sentence, or a block such as a table. It reaches to the next one.

    `context` are the title and the headings above it. A heading has its level, others 0.
    """

    start: int
    context: Context
    level: int = 0
    block: Block | None = None

    def piece(self, text: str, start: int, end: int) -> Piece:
        """Return the unit as a piece that reaches to `end`."""
        if self.block is not None:
            return block_piece(text, self.block, start, end, self.context)
        return Piece(start, end, self.context, lambda: flat_lines(text, start, end, self.context), atomic=True)


def units_of(document: CleanedDocument) -> list[SemanticUnit]:
    """Return the units of a document, in order; those of Markdown are its blocks, with paragraphs in sentences."""
    text, context = document.text, (document.title,) if document.title else ()
    if document.format != "markdown" or text.count("\n") + text.count("|") > _MOST_BLOCKS:
        return [SemanticUnit(start, context) for start, _ in sentence_spans(text)]
    found: list[SemanticUnit] = []
    path: list[Block] = []
    for block in parse_markdown(text):
        if block.kind == "heading":
            path = [above for above in path if above.level < block.level]
            found.append(SemanticUnit(block.start, _context(context, path), block.level, block))
            path.append(block)
        else:
            found += _units(text, block, _context(context, path))
    return found


def _context(context: Context, path: list[Block]) -> Context:
    """Return the title and the headings; the title of a document is often its first heading."""
    titles = [heading.title for heading in path]
    return (*context, *(titles[1:] if titles[:1] == list(context[-1:]) else titles))


def _units(text: str, block: Block, context: Context) -> Iterator[SemanticUnit]:
    if block.kind == "paragraph":
        yield from (SemanticUnit(start, context) for start, _ in sentence_spans(text, block.start, block.end))
    elif block.kind in _INSIDE and block.children:
        for child in block.children:
            yield from _units(text, child, context)
    else:
        yield SemanticUnit(block.start, context, block=block)
