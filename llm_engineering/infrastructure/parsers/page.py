"""What a parsed HTML page is, and what is wrong with one that is no document."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a page is no document: `blocked`, `paywall`, `not_found` or `empty`, and a sentence for a person."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Page:
    """A parsed page: its main content as Markdown, and what it says about itself.

    `extraction` is `article` when the main content was told apart from the rest, or `visible` when that failed or
    would have lost most of the text: then it is all that a reader sees, navigation left out. `coverage` is the share
    of the visible letters and digits (outside navigation and links) that `text` holds, from 0 to 1.
    `canonical` is what the page claims; who uses it decides whether to believe it. `note` says what went wrong on the
    way, if something did; it is kept with the document.
    """

    text: str
    title: str = ""
    author: str = ""
    date: str = ""
    site: str = ""
    canonical: str = ""
    extraction: Literal["article", "visible"] = "article"
    coverage: float = 1.0
    verdict: Verdict | None = None
    note: str = ""

    @property
    def provenance(self) -> dict[str, str | float]:
        """How the page was read."""
        return {"extraction": self.extraction, "coverage": self.coverage, **({"note": self.note} if self.note else {})}
