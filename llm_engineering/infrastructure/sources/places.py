"""Where a single file is: a path on this machine, or an http(s) address."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from llm_engineering.domain.errors import SourceError, UsageError
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.folders import open_regular


def is_remote(url: str) -> bool:
    """Tell whether a place is an address of the web."""
    return url.lower().startswith(("http://", "https://"))


def local_path(place: str | Path) -> Path:
    """Return a place on this machine as an absolute path. The `~name` of nobody stays: there is no such folder.

    Raises:
        UsageError: it holds a NUL.
    """
    text = str(place)
    path = unquote(urlsplit(text).path) if text.lower().startswith("file://") else text
    if "\0" in path:
        raise UsageError(f"{text!r} is no path: none can hold a NUL character")
    # Those of pathlib fail for a name of nobody, and for links in a circle.
    return Path(os.path.realpath(os.path.expanduser(path)))  # noqa: PTH111


def absent(named: object, path: Path) -> str:
    """Return the sentence that says that there is nothing, as it was named and where that is."""
    return f"{named} does not exist" + ("" if str(named) == str(path) else f" (looked for {path})")


def uri_of(url: str) -> str:
    """Return the URL that identifies what is there: without credentials; of a local file its file URI."""
    if not is_remote(url):
        return local_path(url).as_uri()
    try:
        parts = urlsplit(url.strip())
    except ValueError:  # no URL; the client says what is wrong with it when it is asked for
        return url.rpartition("@")[2]
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


@contextmanager
def opened(url: str, context: SourceContext, max_bytes: int) -> Iterator[BinaryIO]:
    """Open what is there to read it. A file of this machine is not loaded into memory.

    Raises:
        SourceError: `missing`, `unreadable`, `too_large`, `not_a_file`, or what the HTTP client says.
    """
    if is_remote(url):
        content = context.client.get(context.address(url), accept="*/*", max_bytes=max_bytes).content
        yield BytesIO(content)
        return
    path = local_path(url)
    try:
        file = open_regular(path)
    except FileNotFoundError as error:
        raise SourceError("missing", f"{absent(url, path)}; check the path") from error
    except OSError as error:
        raise SourceError("unreadable", f"{path} cannot be read: {error.strerror or error}") from error
    with file:
        size = path.stat().st_size
        if size > max_bytes:
            raise SourceError("too_large", f"{path} has {size:,} bytes, more than max_bytes ({max_bytes:,})")
        yield file
