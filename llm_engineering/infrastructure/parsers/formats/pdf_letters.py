"""Where the characters of a PDF page stand, and in which type."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple


class Box(NamedTuple):
    """Where something stands on a page, in points from its lower left corner."""

    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True, slots=True)
class Letters:
    """The characters of a page by their offsets in its text: where they stand, and in which type."""

    textpage: Any
    quarters: int
    units: Sequence[int] | None  # offsets in UTF-16, where PDFium counts otherwise than the text does

    @classmethod
    def of(cls, textpage: Any, text: str, quarters: int) -> "Letters":
        """Return those of a text; PDFium counts an emoji as two, and characters that it knows no text for, too."""
        if textpage.count_chars() == len(text):
            return cls(textpage, quarters, None)
        return cls(textpage, quarters, [0, *accumulate(1 + (character > "\uffff") for character in text)])

    def box(self, offset: int) -> Box | None:
        """Return where a character stands, in points, on the page turned so that the text is upright."""
        from pypdfium2 import raw as pdfium

        rect = pdfium.FS_RECTF()
        if not pdfium.FPDFText_GetLooseCharBox(self.textpage, self._index(offset), ctypes.byref(rect)):
            return None
        box = Box(rect.left, rect.bottom, rect.right, rect.top)
        for _ in range(self.quarters):
            box = Box(box.bottom, -box.right, box.top, -box.left)
        return box

    def font(self, offset: int) -> str:
        """Return the name of the font of a character."""
        from pypdfium2 import raw as pdfium

        flags, name = ctypes.c_int(), ctypes.create_string_buffer(128)
        pdfium.FPDFText_GetFontInfo(self.textpage, self._index(offset), name, 128, ctypes.byref(flags))
        return name.value.decode("utf-8", "replace")

    def _index(self, offset: int) -> int:
        from pypdfium2 import raw as pdfium

        if self.units is None:
            return offset
        return int(pdfium.FPDFText_GetCharIndexFromTextIndex(self.textpage, self.units[offset]))
