"""What an index version holds, described: lengths, languages, repetitions, a map; and the page that shows it."""

from llm_engineering.application.corpus.describing import describe
from llm_engineering.application.corpus.page import PARTS, render, render_lengths

__all__ = ["PARTS", "describe", "render", "render_lengths"]
