"""Text as other rooms see it: sentences, Markdown blocks, words, stems, and the sparse vector of a text."""

from llm_engineering.application.text.tokenizing import Tokenizing

__all__ = ["Tokenizing"]
