"""The process that reads files of foreign formats: PDF, office, e-mail, sitemaps, feeds. See `child` for the messages.

    python -m llm_engineering.infrastructure.parsers.document_child MEGABYTES

A request is `{"kind", "data" (base64), "suffix", "url", "plain", "seconds"}`; the answer is what the reader returned,
or `{"reason", "detail"}` of what is wrong with the file.
"""

import base64
import contextlib
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

from llm_engineering.infrastructure.parsers.child import OUT_OF_MEMORY, TOO_DEEP, own_standard_output, receive, send
from llm_engineering.infrastructure.parsers.confinement import confine, limit_processor_time
from llm_engineering.infrastructure.parsers.formats import Unreadable, feeds, listings, mail, office, pdf


def main() -> int:
    """Answer requests until the input ends."""
    answers = own_standard_output()
    logging.disable(logging.CRITICAL)
    sys.dont_write_bytecode = True
    for extra in ("pypdfium2", "openpyxl"):  # what is imported now needs no more rights later
        with contextlib.suppress(ImportError):
            __import__(extra)
    confine(int(sys.argv[1]))
    send(answers, {"ready": True})
    try:
        while (request := receive(sys.stdin.buffer)) is not None:
            limit_processor_time(float(str(request["seconds"])))
            send(answers, _answer(request))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except RecursionError:
        os._exit(TOO_DEEP)
    return 0


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    data = base64.b64decode(request["data"])
    try:
        match request["kind"]:
            case "pdf":
                return pdf.read_pdf(data, plain=bool(request["plain"]))
            case "mail":
                return mail.read_mail(data)
            case "sitemap":
                return listings.read_sitemap(data)
            case "feed":
                return feeds.read_feed(data)
            case "links":
                return listings.read_links(data.decode("utf-8", "replace"), str(request["url"]))
            case _:
                return office.read_office(data, str(request["suffix"]))
    except Unreadable as error:
        return {"reason": error.reason, "detail": str(error)[:1000]}


if __name__ == "__main__":
    sys.exit(main())
