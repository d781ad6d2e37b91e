"""A formula of a page (MathML) while it is read: its TeX where somebody says it, else what is shown."""

from dataclasses import dataclass
from typing import Literal

from llm_engineering.infrastructure.parsers.markup import TEX, formula


@dataclass
class OpenFormula:
    """A formula, with the attributes of its element."""

    named: dict[str, str]
    _tex: str = ""
    _shown: str = ""
    _inside: Literal["", "tex", "other"] = ""  # which annotation

    def start(self, tag: str, named: dict[str, str]) -> None:
        """Begin an element inside of it."""
        if tag in ("annotation", "annotation-xml"):
            self._inside = "tex" if named.get("encoding", "") == TEX else "other"

    def end(self, tag: str) -> None:
        """End an element inside of it."""
        if tag in ("annotation", "annotation-xml"):
            self._inside = ""

    def add(self, data: str) -> None:
        """Add a piece of text."""
        if self._inside == "tex":
            self._tex += data
        elif not self._inside:
            self._shown += data

    @property
    def text(self) -> str:
        """What a reader sees of it, on one line."""
        tex = self._tex or self.named.get("alttext", "")
        return formula(tex, self._shown, is_block=self.named.get("display", "") == "block")
