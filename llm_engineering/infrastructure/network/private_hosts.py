"""The list of hosts that may be spoken to although their addresses are not public: the user's explicit word."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.network.addresses import Address, Network, Special, literal, special_ranges
from llm_engineering.infrastructure.network.hosts import spelled

_FORMS = "give a host name, an address or a network such as 10.1.0.0/16; with :port to allow only that port"


@dataclass(frozen=True, slots=True)
class PrivateHost:
    """An entry of the list: a name or a network, and the only port that it is meant for, or None."""

    name: str = ""
    network: Network | None = None
    port: int | None = None

    def allows(self, host: str, port: int, address: Address, found: Special) -> bool:
        """Tell whether the entry allows the connection. A name does not cover link-local or reserved addresses."""
        if self.port not in (None, port):
            return False
        if self.network is not None:
            return found.allowed_by != "never" and address in self.network
        return found.allowed_by == "name" and host == self.name


class PrivateHosts:
    """All entries together."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._entries = [parse(entry) for entry in entries]

    def allow(self, host: str, port: int, address: Address, found: Special) -> bool:
        """Tell whether some entry allows the host, which resolved to this special address."""
        return any(entry.allows(host, port, address, found) for entry in self._entries)

    def names_port(self, host: str, port: int) -> bool:
        """Tell whether the port of this host was written down, which allows ports that are otherwise refused."""
        address = literal(host)
        return any(
            entry.port == port
            and (entry.name == host or (address is not None and entry.network is not None and address in entry.network))
            for entry in self._entries
        )


def parse(entry: str) -> PrivateHost:
    """Read an entry.

    >>> parse("LocalHost:8000")
    PrivateHost(name='localhost', network=None, port=8000)

    Raises:
        ValueError: it is no host, or a range with public addresses, which would switch the guard off.
    """
    host, port = _split(entry.strip())
    try:
        network = ip_network(host) if "/" in host or literal(host) is not None else None
    except ValueError as error:
        raise ValueError(f"private_hosts: {entry!r} is no network ({error}); {_FORMS}") from error
    if network is not None:
        _refuse_public(entry, network)
        return PrivateHost(network=network, port=port)
    try:
        return PrivateHost(name=spelled(host), port=port)
    except SourceError as error:
        raise ValueError(f"private_hosts: {entry!r} cannot be used: {error}; {_FORMS}") from error


def _split(entry: str) -> tuple[str, int | None]:
    """Part the port from the host; an IPv6 address with a port stands in brackets."""
    if entry.startswith("["):
        host, closed, rest = entry[1:].partition("]")
        colon, port = (rest[:1], rest[1:]) if closed else ("]", "")
    elif entry.count(":") == 1:
        host, colon, port = entry.partition(":")
    else:
        return entry, None
    if not colon and not port:
        return host, None
    if colon != ":" or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise ValueError(f"private_hosts: {entry!r} has no valid port; {_FORMS}")
    return host, int(port)


def _refuse_public(entry: str, network: Network) -> None:
    for known in special_ranges():
        # `subnet_of` compares networks of one family only.
        if known.network.version == network.version and network.subnet_of(known.network):  # type: ignore[arg-type]
            if known.allowed_by == "never":
                raise ValueError(f"private_hosts: {entry!r} is {known.what}; nothing is fetched there")
            return
    raise ValueError(
        f"private_hosts: {entry!r} holds public addresses, which need no entry; list private ones, such as 10.0.0.0/8"
    )
