"""XLSX: a heading and a table for each sheet, with the values as they were last calculated, and dates as dates."""

import datetime
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.archive import Archive, core_properties, main_part
from llm_engineering.infrastructure.parsers.formats.hidden import left_out
from llm_engineering.infrastructure.parsers.formats.sheets import Sheets

_STRICT = b"purl.oclc.org/ooxml/spreadsheetml"


def read_xlsx(archive: Archive, raw: bytes) -> dict[str, Any]:
    """Return title, author and text.

    Raises:
        Unreadable: `unparsable`, `too_large`, `empty`, `missing_extra`.
    """
    for name in archive.names:  # the sizes are counted before anything is unpacked for good
        archive.read(name)
    main = main_part(archive, "xl/workbook.xml")
    if main in archive and _STRICT in archive.read(main):
        raise Unreadable("unparsable", "it is a Strict Open XML Spreadsheet; save it as Excel Workbook (.xlsx)")
    sheets, blocks = Sheets(), list[str]()
    worksheets = _opened(raw).worksheets
    shown = [sheet for sheet in worksheets if sheet.sheet_state == "visible"]
    for sheet in shown:
        if written := sheets.table(_rows(sheet)):
            blocks += [f"## {sheet.title}", written]
    note = left_out(len(worksheets) - len(shown), "sheets")
    if not blocks:
        raise Unreadable("empty", f"none of its sheets holds a value{f'; {note}' if note else ''}")
    said = core_properties(archive)
    return {"text": "\n\n".join(blocks), "title": said.get("title", ""), "author": said.get("author", ""), "note": note}


def _opened(raw: bytes) -> Any:
    """Return the workbook. What no text is made of is not looked at: a mistake there is none of the sheets'."""
    try:
        from openpyxl.reader.excel import ExcelReader
    except ModuleNotFoundError as error:
        raise Unreadable("missing_extra", "spreadsheets need the extra 'office'") from error

    class Reader(ExcelReader):  # type: ignore[misc]
        def read_properties(self) -> None: ...

        def read_custom(self) -> None: ...

        def read_theme(self) -> None: ...

        def read_chartsheet(self, sheet: Any, rel: Any) -> None: ...

    try:
        reader = Reader(BytesIO(raw), read_only=True, data_only=True, keep_links=False)
        reader.read()
    except (MemoryError, RecursionError):
        raise
    except Exception as error:
        raise Unreadable("unparsable", f"the spreadsheet cannot be read: {type(error).__name__}: {error}") from error
    return reader.wb


def _rows(sheet: Any) -> Iterator[dict[int, str]]:
    """Yield the values of each row by column. openpyxl's own rows are filled up to the last cell, however far it is."""
    from openpyxl.worksheet._reader import WorkSheetParser

    book = sheet.parent
    try:
        with sheet._get_source() as source:
            parser = WorkSheetParser(
                source,
                sheet._shared_strings,
                data_only=True,
                epoch=book.epoch,
                date_formats=book._date_formats,
                timedelta_formats=book._timedelta_formats,
            )
            for _, row in parser.parse():
                yield {cell["column"]: _written(cell["value"]) for cell in row if cell["value"] is not None}
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # of XML, zip and openpyxl itself
        detail = f"the sheet {sheet.title!r} is damaged: {type(error).__name__}: {error}"
        raise Unreadable("unparsable", detail) from error


def _written(value: object) -> str:
    """Return a value as text; a date has no time of day in a spreadsheet but midnight."""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time.min:
        return value.date().isoformat()
    return str(value)
