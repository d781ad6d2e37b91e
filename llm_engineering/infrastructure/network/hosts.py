"""The one spelling of a host: what looks like a name, is a name; what looks like a number, is an address.

Resolvers and URL parsers read `127.1`, `0x7f000001`, `2130706433` and `0177.0.0.1` as addresses; who checks the text
and not the meaning lets them through. Here they are refused, as in https://url.spec.whatwg.org/#ends-in-a-number-checker.
"""

import re
import unicodedata

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.network.addresses import literal

_NUMBER = re.compile(r"(?i)(?:0x[0-9a-f]*|[0-9]+)")
_LABEL = re.compile(r"(?i)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def spelled(host: str) -> str:
    """Return the host in its one spelling: lower case, punycode, no final dot; of an address its shortest form.

    >>> spelled("Bücher.Example."), spelled("[2606:4700:0::1]"), spelled("10.example.org")
    ('xn--bcher-kva.example', '2606:4700::1', '10.example.org')

    Raises:
        SourceError: `bad_url`, with what is wrong.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare or "%" in bare:
        return _ipv6(bare)
    name = _ascii(bare).lower().removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        if literal(name) is None or bare != name:
            raise _refused(host, "is an unusual spelling of an address; write it as in 93.184.216.34")
        return name
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise _refused(host, "is no valid host name; expected something like example.com")
    return name


def _ipv6(text: str) -> str:
    address = literal(text) if "%" not in text else None
    if address is None:
        raise _refused(text, "is no valid address; write it as in 2606:4700::1111, without a zone")
    return str(address)


def _ascii(name: str) -> str:
    """Return a name in ASCII. Full-width and other look-alike forms of letters, digits and dots are not taken."""
    if name.isascii():
        return name
    if unicodedata.normalize("NFKC", name) != name:
        raise _refused(name, "holds look-alikes of plain letters, digits or dots; write the plain ones")
    import idna

    try:
        return idna.encode(name.lower()).decode("ascii")
    except idna.IDNAError as error:
        raise _refused(name, f"is no valid host name: {error}") from error


def _refused(host: str, why: str) -> SourceError:
    return SourceError("bad_url", f"the host {host[:200]!r} {why}")
