"""From what people write to the URI that the warehouse knows: paths become file URIs, web addresses are normalised."""

from collections.abc import Iterator
from pathlib import Path


def uris_meant(text: str) -> Iterator[str]:
    """Yield the URIs that a text may stand for, the text itself first."""
    yield text
    if text.lower().startswith(("http://", "https://")):
        yield from _normalised(text)
    elif "://" not in text and "\0" not in text:
        path = _at_home(text)
        yield path.absolute().as_uri()
        yield path.resolve().as_uri()


def _at_home(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # `~name` of nobody, as in the pattern `~$*`
        return Path(text)


def _normalised(url: str) -> Iterator[str]:
    from llm_engineering.domain.errors import SourceError
    from llm_engineering.infrastructure.http.urls import normalised

    try:
        yield normalised(url)
    except SourceError:
        return  # no web address after all: then the text is all that it can stand for
