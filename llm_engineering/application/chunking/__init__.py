"""Chunking: a document becomes passages that fit the embedder's window and together cover all of it.

A new chunker is one file with a `kind` and `passages`, and its name in the two lists below.
"""

from typing import Annotated

from pydantic import Field

from llm_engineering.application.chunking.by_format import ByFormat
from llm_engineering.application.chunking.code import Code
from llm_engineering.application.chunking.fixed import Fixed
from llm_engineering.application.chunking.markdown import Markdown
from llm_engineering.application.chunking.own_function import PythonChunker
from llm_engineering.application.chunking.parent_child import ParentChild
from llm_engineering.application.chunking.record import Record
from llm_engineering.application.chunking.semantic import Semantic
from llm_engineering.application.chunking.sentences import Sentences

__all__ = [
    "ByFormat",
    "Chunker",
    "Code",
    "Fixed",
    "Markdown",
    "ParentChild",
    "PythonChunker",
    "Record",
    "Semantic",
    "Sentences",
]

Chunker = Annotated[
    ByFormat | Record | Markdown | Sentences | Code | Fixed | Semantic | ParentChild | PythonChunker,
    Field(discriminator="kind"),
]
