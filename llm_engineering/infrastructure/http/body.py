"""Reading a response's body: decoded, and never more of it than allowed."""

import zlib
from collections.abc import Iterable, Iterator

from llm_engineering.domain.errors import SourceError

# What we ask servers for, and nothing else: each of these can be decoded piece by piece under a limit.
ACCEPTED = "gzip, deflate"


def decoded(pieces: Iterable[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """Decode the pieces of a body as its Content-Encoding says, in steps of at most `limit` + 1 bytes.

    httpx would inflate a whole piece at once, and as many layers as the header names: 64 KiB become 64 MiB, or 64 GiB.

    Raises:
        SourceError: `encoding`, for an encoding that was not asked for, or damaged data.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from pieces
    elif name in ("gzip", "x-gzip", "deflate"):
        yield from _inflated(pieces, limit)
    else:
        raise SourceError("encoding", f"the server sent the Content-Encoding {encoding!r}; it was asked for {ACCEPTED}")


def _inflated(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    inflater = None
    for piece in pieces:
        data = piece
        while data:
            inflater = inflater or _inflater(data)
            try:
                yield inflater.decompress(data, limit + 1)
            except zlib.error as error:
                raise SourceError("encoding", f"the compressed response is damaged: {error}") from error
            data = inflater.unconsumed_tail or inflater.unused_data
            if inflater.eof:
                inflater = None  # gzip allows several members one after the other
    if inflater is not None:
        raise SourceError("unreachable", "the connection ended in the middle of the compressed response")


def _inflater(head: bytes) -> "zlib._Decompress":
    """Return a decompressor for gzip, zlib, or the bare deflate that some servers send under the same name."""
    is_zlib = len(head) >= 2 and head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return zlib.decompressobj(zlib.MAX_WBITS | 32 if is_zlib or head[:1] == b"\x1f" else -zlib.MAX_WBITS)


def bounded(pieces: Iterable[bytes], limit: int, *, truncate: bool) -> bytes:
    """Join the pieces up to `limit` bytes; stop there if `truncate`, or refuse.

    Raises:
        SourceError: `too_large`.
    """
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > limit:
            if truncate:
                return bytes(body[:limit])
            raise SourceError("too_large", f"the response is larger than max_bytes ({limit:,} bytes decoded)")
    return bytes(body)
