"""Reads PDF, office files, e-mails, sitemaps and feeds in a child process that can be killed, like HTML."""

import base64
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from loguru import logger

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.parsers.child import LARGEST
from llm_engineering.infrastructure.parsers.children import Children, Died
from llm_engineering.infrastructure.parsers.formats import SPREADSHEETS

FileKind = Literal["pdf", "office", "mail", "sitemap", "feed", "links"]

_MODULE = "llm_engineering.infrastructure.parsers.document_child"
# The packages that are extras, by what they read, and the name of the extra.
_EXTRAS = {"pypdfium2": "pdf", "openpyxl": "office"}
_MOST_GROWTH, _SMALL_ANSWER = 200, 16_000_000  # text is packed well in PDFs and zips, but not without end


class DocumentParser:
    """Processes for files of foreign formats, each started when it is needed, and replaced when it dies.

    As many files are read at once as there are processes; further calls wait.
    """

    def __init__(self, timeout_seconds: float, memory_mb: int = 2048, processes: int = 1) -> None:
        self._timeout = timeout_seconds
        self._children = Children(_MODULE, memory_mb, processes, _folders)

    def read(self, kind: FileKind, raw: bytes, *, suffix: str = "", url: str = "") -> Mapping[str, Any]:
        """Read a file; what comes back depends on its kind, see `formats`.

        Raises:
            SourceError: `encrypted`, `truncated`, `unparsable`, `too_large`, `empty`, `missing_extra`.
            BackendError: the process does not start.
        """
        self._require("pypdfium2" if kind == "pdf" else "openpyxl" if suffix in SPREADSHEETS else "")
        try:
            answer = self._ask(kind, raw, suffix, url, plain=False)
        except Died as error:
            if kind != "pdf":
                raise SourceError("unparsable", f"the parser gave up on this file: {error}") from error
            answer = self._again(raw, str(error))
        if "reason" in answer:
            raise SourceError(str(answer["reason"]), str(answer.get("detail", "")))
        return answer

    def close(self) -> None:
        """End the processes."""
        self._children.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _again(self, raw: bytes, why: str) -> dict[str, Any]:
        """Read a PDF without its layout, which takes a small part of the time."""
        try:
            answer = self._ask("pdf", raw, "", "", plain=True)
        except Died as error:
            raise SourceError("unparsable", f"the parser gave up on this file: {error}") from error
        note = f"the layout was given up, because {why}; this is the text of the pages as it stands"
        logger.warning(note)
        return {**answer, "note": note} if "reason" not in answer else answer

    def _ask(self, kind: str, raw: bytes, suffix: str, url: str, *, plain: bool) -> dict[str, Any]:
        request = {
            "kind": kind,
            "data": base64.b64encode(raw).decode("ascii"),
            "suffix": suffix,
            "url": url,
            "plain": plain,
            "seconds": self._timeout,
        }
        most = min(_SMALL_ANSWER + _MOST_GROWTH * len(raw), LARGEST)
        return self._children.ask(request, self._timeout, most, dict)

    def _require(self, package: str) -> None:
        if package and find_spec(package) is None:
            extra = _EXTRAS[package]
            raise SourceError(
                "missing_extra",
                f"reading it needs the extra {extra!r} ({package} is missing); type: poetry install --extras {extra}",
            )


def _folders() -> list[str]:
    """Return where the extras are installed: the child sees no other folders than it is told."""
    specs = [find_spec(package) for package in _EXTRAS]
    return sorted({str(Path(spec.origin).parents[1]) for spec in specs if spec is not None and spec.origin})
