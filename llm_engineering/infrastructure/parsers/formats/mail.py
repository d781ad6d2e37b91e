"""E-mails: headers, and the text that its writer meant to be read: of two forms of one text the plain one."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from email import policy
from email.errors import MessageError
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from typing import Any

from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.visible import ink

_MOST_PARTS = 1000
_SHOWN = 500
_LEAST_SHARE = 0.25  # of the letters of the HTML; a plain text with fewer is no form of the same text
_TEXTS = {"text/plain": "text", "text/markdown": "text", "text/html": "html"}
_ENCRYPTED = ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_mail(raw: bytes) -> dict[str, Any]:
    """Return subject, the pieces of text in their order, the headers worth filtering by, and what is attached.

    A piece is `["text", …]` or `["html", …]`. HTML that stands beside a plain text, and not in its place, is one too:
    mailing lists put their plain footer below a message that is HTML alone.

    Raises:
        Unreadable: `unparsable`, `empty`, `encrypted`, `binary`, `too_large`.
    """
    try:
        message = BytesParser(EmailMessage, policy=policy.default).parsebytes(raw.removeprefix(BOM_UTF8))
        attachments = [_clean(_attached(part))[:100] for part in _parts(message) if _attached(part)]
        pieces, lost = _pieces(message)
        said = {name: _header(message, name) for name in ("from", "to", "subject", "message-id", "list-id")}
    except (MessageError, ValueError, LookupError, AttributeError, IndexError, TypeError) as error:
        raise Unreadable("unparsable", f"it is no readable e-mail: {type(error).__name__}: {error}") from error
    if not any((said["from"], said["subject"], said["message-id"])):
        raise Unreadable("unparsable", "it has neither sender nor subject, so it is no e-mail")
    if not pieces and lost:
        raise Unreadable("binary", "what it says is text holds bytes that are in no text")
    if not pieces and message.get_content_type() in _ENCRYPTED:
        raise Unreadable("encrypted", "it is encrypted; save it decrypted")
    if not pieces:
        raise Unreadable("empty", f"it has no text{': only ' + ', '.join(attachments) if attachments else ''}")
    return {
        "title": said["subject"],
        "pieces": pieces,
        "note": f"{lost} of its parts that say they are text are none, and were left out" if lost else "",
        "author": said["from"],
        "key": said["message-id"].strip("<> "),
        "metadata": {
            "from": said["from"],
            "to": said["to"],
            "date": _date(message),
            "list": said["list-id"],
            "attachments": ", ".join(attachments)[:_SHOWN],
        },
    }


def _parts(message: Message) -> Iterator[Message]:
    for number, part in enumerate(message.walk()):
        if number > _MOST_PARTS:
            raise Unreadable("too_large", f"it has more than {_MOST_PARTS:,} parts")
        if not part.is_multipart():
            yield part


def _attached(part: Message) -> str:
    """Return the name of an attachment, or its type; nothing of what is to be read with the message."""
    name = part.get_filename()
    return str(name or part.get_content_type()) if name or part.get_content_disposition() == "attachment" else ""


def _pieces(message: Message) -> tuple[list[tuple[str, str]], int]:
    """Return the pieces of text, and how many parts say that they are text and are none."""
    found = {id(part): (_TEXTS[kind], _decoded(part)) for part in _parts(message) if (kind := _kind(part)) in _TEXTS}
    for choice in message.walk():
        if choice.get_content_type() == "multipart/alternative":
            inside = found.keys() & {id(part) for part in choice.walk()}
            second = _second_form([found[part] for part in inside])
            found = {part: piece for part, piece in found.items() if part not in inside or piece[0] != second}
    return [(kind, text) for kind, text in found.values() if text], sum(text is None for _, text in found.values())


def _second_form(pieces: Sequence[tuple[str, str | None]]) -> str:
    """Return which of two forms of one text is not to be read, if there are two.

    It is the HTML, unless the plain text says no more than that the message can be read elsewhere.
    """
    plain = sum(ink(text) for kind, text in pieces if kind == "text" and text)
    shown = sum(_ink_of(text) for kind, text in pieces if kind == "html" and text)
    if not plain:
        return ""
    return "text" if plain < _LEAST_SHARE * shown else "html"


def _ink_of(html: str) -> int:
    """Count the characters of an HTML text, without its marks."""
    from lxml.etree import ParserError
    from lxml.html import HTMLParser, document_fromstring

    try:
        tree = document_fromstring(html.encode("utf-8", "replace"), parser=HTMLParser(encoding="utf-8"))
    except ParserError:
        return 0
    return ink("".join(tree.xpath("//body//text()[not(parent::script or parent::style)]")))


def _kind(part: Message) -> str:
    return "" if _attached(part) else part.get_content_type()


def _decoded(part: Message) -> str | None:
    """Return the text of a part, empty if there is nothing but white space; None if it is no text, whatever it says."""
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    from llm_engineering.domain.errors import SourceError
    from llm_engineering.infrastructure.parsers.text import decode

    try:
        text = decode(content, str(part.get_content_charset() or "")) if content.strip() else ""
    except SourceError:
        return None
    return text if text.strip() else ""


def _header(message: Message, name: str) -> str:
    try:
        return _clean(str(message.get(name, "")))[:_SHOWN]
    except (ValueError, LookupError, AttributeError, IndexError, TypeError):  # a header that the library cannot parse
        return _clean(str(dict(message.raw_items()).get(name, "")))[:_SHOWN]


def _clean(text: str) -> str:
    return " ".join(_NOT_TEXT.sub(" ", text.encode("utf-8", "replace").decode()).split())


def _date(message: Message) -> str:
    try:
        return parsedate_to_datetime(str(message.get("date", ""))).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""
