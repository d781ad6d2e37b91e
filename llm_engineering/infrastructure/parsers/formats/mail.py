"""E-mails: headers, and the text that its writer meant to be read, plain if there is one, else the HTML."""

import re
from email import policy
from email.errors import MessageError
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from typing import Any

from llm_engineering.infrastructure.parsers.formats import Unreadable

_MOST_PARTS = 1000
_SHOWN = 500
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_mail(raw: bytes) -> dict[str, Any]:
    """Return subject, text or html, the headers worth filtering by, and the names of the attachments.

    Raises:
        Unreadable: `unparsable`, `empty`.
    """
    try:
        message = BytesParser(EmailMessage, policy=policy.default).parsebytes(raw)
        plain, html, attachments = _parts(message)
        said = {name: _header(message, name) for name in ("from", "to", "subject", "message-id", "list-id")}
    except (MessageError, ValueError, LookupError, AttributeError, IndexError, TypeError) as error:
        raise Unreadable("unparsable", f"it is no readable e-mail: {type(error).__name__}: {error}") from error
    if not any((said["from"], said["subject"], said["message-id"])):
        raise Unreadable("unparsable", "it has neither sender nor subject, so it is no e-mail")
    if not plain.strip() and not html.strip():
        raise Unreadable("empty", f"it has no text{': only ' + ', '.join(attachments) if attachments else ''}")
    return {
        "title": said["subject"],
        "text": plain,
        "html": [] if plain.strip() else [html],
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


def _parts(message: Message) -> tuple[str, str, list[str]]:
    plain, html, attachments = [], [], []
    for number, part in enumerate(message.walk()):
        if number > _MOST_PARTS:
            raise Unreadable("too_large", f"it has more than {_MOST_PARTS:,} parts")
        if part.is_multipart():
            continue
        name = part.get_filename()
        if name or part.get_content_disposition() == "attachment":
            attachments.append(_clean(str(name or part.get_content_type()))[:100])
        elif part.get_content_type() == "text/plain":
            plain.append(_decoded(part))
        elif part.get_content_type() == "text/html":
            html.append(_decoded(part))
    return "\n\n".join(plain), "\n".join(html), attachments


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    from llm_engineering.domain.errors import SourceError
    from llm_engineering.infrastructure.parsers.text import decode

    try:
        return decode(content, str(part.get_content_charset() or "")) if content.strip() else ""
    except SourceError:
        return ""  # a part that says it is text, and is none


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
