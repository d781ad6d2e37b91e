"""The one HTTP client of this project: polite, bounded, and clear about what went wrong."""

from llm_engineering.infrastructure.http.client import HttpClient
from llm_engineering.infrastructure.http.response import Response

__all__ = ["HttpClient", "Response"]
