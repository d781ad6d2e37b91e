"""Code by its definitions."""

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from llm_engineering.application.chunking.indented import indented_blocks
from llm_engineering.application.chunking.languages import language_of, require_grammars
from llm_engineering.application.chunking.packing import Packer
from llm_engineering.application.chunking.passages import Passage
from llm_engineering.application.chunking.pieces import Context, Piece
from llm_engineering.application.chunking.python_code import looks_like_python, python_blocks
from llm_engineering.application.chunking.sizing import Sizer
from llm_engineering.application.chunking.syntax import syntax_blocks
from llm_engineering.application.chunking.window import Windowed
from llm_engineering.domain.documents import CleanedDocument


class Code(Windowed):
    """Chunk code by its top-level blocks; the context is the path and, inside a long definition, its name.

    Python is read by its syntax tree, everything else by indentation, blank lines and closing brackets; with the parser
    `tree_sitter`, C, C++, Go, Java, JavaScript, TypeScript and Rust have syntax trees too, and so has Python that does
    not parse as a whole. Comments and decorators stay with their definition.
    """

    kind: Literal["code"] = "code"
    target_tokens: int = Field(128, ge=1, description="neighbouring small blocks are put together up to this size")
    parser: Literal["builtin", "tree_sitter"] = Field(
        "builtin",
        # Indexes that were made before there was a choice keep their fingerprint.
        exclude_if=lambda parser: parser == "builtin",
        description="what reads the syntax; tree_sitter knows more languages and needs the extra `code`",
    )

    def require(self) -> None:
        """Refuse to go on without the extra that the parser needs."""
        if self.parser == "tree_sitter":
            require_grammars()

    def passages(self, document: CleanedDocument, sizer: Sizer) -> Iterable[Passage]:
        path = _path(document)
        root = Piece(0, len(document.text), (path,), lambda: self._blocks(document, path), "section", atomic=True)
        return Packer(root, sizer, fill=sizer.room, siblings=self.target_tokens)

    def _blocks(self, document: CleanedDocument, path: str) -> Iterator[Piece]:
        text, blocks = document.text, None
        if self.parser == "tree_sitter":
            language = language_of(path, text, document.metadata.get("language"))
            blocks = syntax_blocks(text, language, (path,)) if language else None
        yield from _builtin(text, path, (path,)) if blocks is None else blocks


def _builtin(text: str, path: str, context: Context) -> Iterator[Piece]:
    blocks = python_blocks(text, context) if looks_like_python(path, text) else None
    yield from indented_blocks(text, 0, len(text), context) if blocks is None else blocks


def _path(document: CleanedDocument) -> str:
    """Return the path of a source file, or what comes nearest to it."""
    return str(document.metadata.get("path") or document.title or document.uri.rstrip("/").rsplit("/", 1)[-1])
