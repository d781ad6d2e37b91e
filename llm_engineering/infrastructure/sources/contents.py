"""From the bytes of a file to a document's text, title and format; the same for folders and git repositories."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from llm_engineering.domain.documents import Format, Metadata
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.formats import (
    FOREIGN,
    HTML,
    MAIL,
    NOTEBOOKS,
    PDF,
    SAVE_AS,
    format_of,
    suffix_of,
)

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parsers.documents import FileKind

_LFS = b"version https://git-lfs.github.com/spec/"
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_ATX_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(\S.*)")
_UNDERLINE = re.compile(r"[=\-~^\"'`*+#_.:]{3,}\s*$")
_TITLE_LINES = 200  # a heading further down is not the title
# The front matter of Jekyll, Hugo and others. A title over several lines (`>`, `|`) is left to the headings.
_FRONT_MATTER = re.compile(r"\ufeff?---[ \t\r]*\n((?:.*\n){0,200}?)(?:---|\.\.\.)[ \t\r]*(?:\n|\Z)")
_FRONT_TITLE = re.compile(r"^title:[ \t]+(\S.*)", re.MULTILINE)
_QUOTED = re.compile(r"""(?:"((?:[^"\\]|\\.)+)"|'((?:[^']|'')+)')\s*(?:\s#.*)?""")
_NO_PLAIN_TITLE = tuple("\"'>|&*!%@`[{#")
_COMMENT = re.compile(r"\s#")


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: `provenance` says how an HTML page was read."""

    text: str
    format: Format
    title: str
    metadata: Metadata = field(default_factory=dict)
    provenance: Metadata = field(default_factory=dict)


def read_content(raw: bytes, path: str, uri: str, context: SourceContext) -> Content:
    """Read a file's bytes by what its name says they are.

    Raises:
        SourceError: `binary`, `empty` or `unparsable`; of PDF and office files also `encrypted`, `truncated`,
            `too_large` and `missing_extra`.
    """
    if raw.startswith(_LFS):
        detail = "it is a pointer of Git LFS, and its content lies elsewhere; type git lfs pull, and read the folder"
        raise SourceError("unparsable", f"{detail} by kind: files")
    if suffix_of(path) in HTML:
        return _html(raw, path, uri, context)
    if suffix_of(path) in FOREIGN:
        return read_foreign(raw, suffix_of(path), PurePosixPath(path).stem, context)
    text = _decoded(raw, suffix_of(path))
    text_format, language = format_of(path)
    name = PurePosixPath(path)
    title = name.name if text_format == "code" else title_in(text, text_format) or name.stem
    return Content(text, text_format, title, {"language": language} if language else {})


def _decoded(raw: bytes, suffix: str) -> str:
    from llm_engineering.infrastructure.parsers.text import decode

    try:
        return decode(raw)
    except SourceError as error:
        if error.reason == "binary" and suffix in SAVE_AS:
            detail = f"{suffix} files are not read; save it as {SAVE_AS[suffix]}, which is"
            raise SourceError(error.reason, detail) from error
        raise


def _html(raw: bytes, path: str, uri: str, context: SourceContext) -> Content:
    from llm_engineering.infrastructure.parsers.html import decode_html

    page = context.parser.parse(decode_html(raw), uri)
    # Whoever keeps a block page or a paywall page in a folder means to: only an empty page is refused here.
    if page.verdict is not None and page.verdict.reason == "empty":
        raise SourceError("empty", page.verdict.detail)
    found = {"author": page.author, "date": page.date}
    return Content(
        text=page.text,
        format="markdown",
        title=page.title or PurePosixPath(path).stem,
        metadata={name: value for name, value in found.items() if value},
        provenance=page.provenance,
    )


def read_foreign(raw: bytes, suffix: str, stem: str, context: SourceContext) -> Content:
    """Read a PDF, an office file, an e-mail or a notebook; `stem` is its title where it has no other.

    Raises:
        SourceError: as `read_content`.
    """
    if suffix in NOTEBOOKS:
        from llm_engineering.infrastructure.sources.notebooks import read_notebook

        text, title, metadata = read_notebook(raw)
        return Content(text, "markdown", title or stem, metadata)
    if not raw:
        raise SourceError("truncated", "the file has no bytes at all: whoever wrote it did not come to the end")
    kind: FileKind = "pdf" if suffix in PDF else "mail" if suffix in MAIL else "office"
    found = context.documents.read(kind, raw, suffix=suffix)
    text = "\n\n".join(found["pages"]) if "pages" in found else str(found.get("text", ""))
    if kind == "mail":
        text = mail_text(found, context)
    if found.get("html"):
        text = "\n\n".join(context.parser.parse(page).text for page in found["html"])
    if not text.strip():
        raise SourceError("empty", "there is nothing but white space in it")
    said = {"author": found.get("author"), "pages": len(found.get("pages", ())), "slides": found.get("slides")}
    return Content(
        text=text,
        format=mail_format(found) if kind == "mail" else "markdown",
        title=str(found.get("title") or stem),
        metadata={name: value for name, value in {**said, **found.get("metadata", {})}.items() if value},
        provenance=how_read(found),
    )


def mail_text(found: Mapping[str, Any], context: SourceContext) -> str:
    """Return the pieces of an e-mail as one text."""
    pieces = (context.parser.parse(text).text if kind == "html" else text for kind, text in found["pieces"])
    return "\n\n".join(piece for piece in pieces if piece.strip())


def mail_format(found: Mapping[str, Any]) -> Format:
    """Return the format of an e-mail's text: HTML becomes Markdown."""
    return "markdown" if any(kind == "html" for kind, _ in found["pieces"]) else "text"


def how_read(found: Mapping[str, Any]) -> Metadata:
    """Return how a foreign file was read, for the provenance."""
    return {name: found[name] for name in ("extraction", "coverage", "note") if found.get(name)}


def title_in(text: str, format: Format) -> str:
    """Return the title of a Markdown or reStructuredText document: that of its front matter, else its first heading."""
    front = _FRONT_MATTER.match(text) if format == "markdown" else None
    if front and (title := _front_title(front.group(1))):
        return title
    text = text[front.end() :] if front else text
    fence = ""
    previous = ""
    for line in text.split("\n", _TITLE_LINES)[:_TITLE_LINES]:
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and mark.group(1).startswith(fence) else fence
        elif mark:
            fence = mark.group(1)
        elif format == "markdown" and (heading := _ATX_HEADING.match(line)):
            return _without_closing_marks(heading.group(1).rstrip())
        elif _UNDERLINE.match(line) and _is_underlined(previous, line, format):
            return previous.strip()
        previous = line
    return ""


def _front_title(matter: str) -> str:
    found = _FRONT_TITLE.search(matter)
    if not found:
        return ""
    written = found.group(1).rstrip()
    if quoted := _QUOTED.fullmatch(written):
        double, single = quoted.groups()
        return (re.sub(r"\\(.)", r"\1", double) if double else single.replace("''", "'")).strip()
    return "" if written.startswith(_NO_PLAIN_TITLE) else _COMMENT.split(written, 1)[0].rstrip()


def _without_closing_marks(heading: str) -> str:
    """Return the text of a heading without the marks that may stand behind it, too: `Title ##`."""
    bare = heading.rstrip("#")
    return bare.rstrip() if bare.endswith((" ", "\t")) else heading


def _is_underlined(previous: str, line: str, format: Format) -> bool:
    is_text = any(character.isalnum() for character in previous)
    if format == "markdown":
        return is_text and line[0] == "=" and len(set(line.strip())) == 1
    return is_text and len(set(line.strip())) == 1 and len(line.strip()) >= len(previous.strip())
