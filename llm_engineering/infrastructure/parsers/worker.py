"""Parses HTML in child processes that can be killed: hostile pages cost time and memory, never the run."""

from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from loguru import logger

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.parsers.child import LARGEST
from llm_engineering.infrastructure.parsers.children import Children, Died
from llm_engineering.infrastructure.parsers.page import Page, Verdict

_MODULE = "llm_engineering.infrastructure.parsers.child"
# An answer of more bytes than this for each byte of the page is not waited for: it is made of one link written often.
_MOST_GROWTH, _SMALL_ANSWER = 24, 4_000_000


class HtmlParser:
    """Parser processes, each started when it is needed, used for many pages, and replaced when it dies.

    As many pages are parsed at once as there are processes; further calls wait.
    """

    def __init__(self, timeout_seconds: float, memory_mb: int = 2048, processes: int = 1) -> None:
        self._timeout = timeout_seconds
        self._children = Children(_MODULE, memory_mb, processes)

    def parse(self, html: str, url: str = "") -> Page:
        """Parse a page. When the main extraction is too slow or dies, all visible text is the result, with a note.

        Raises:
            SourceError: `unparsable`, not even the visible text could be read.
            BackendError: the parser process does not start.
        """
        try:
            return self._ask(html, url, article=True)
        except Died as error:
            note = f"the main extraction was given up, because {error}; this is all visible text"
        try:
            page = self._ask(html, url, article=False)
        except Died as error:
            raise SourceError("unparsable", f"the parser gave up on this page: {error}") from error
        logger.warning("{}: {}", url[:300], note)
        return replace(page, note=note)

    def close(self) -> None:
        """End the processes."""
        self._children.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, html: str, url: str, *, article: bool) -> Page:
        request = {"html": html, "url": url, "article": article, "seconds": self._timeout}
        most = _SMALL_ANSWER + _MOST_GROWTH * len(html)
        return self._children.ask(request, self._timeout, min(most, LARGEST), _page)


def _page(fields: dict[str, Any]) -> Page:
    try:
        verdict = fields.pop("verdict")
        return Page(**fields, verdict=Verdict(**verdict) if verdict else None)
    except (KeyError, TypeError) as error:  # it is no longer our code that answers
        raise Died("its answer is no page") from error
