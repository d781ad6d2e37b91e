"""The guard: resolves a host once, checks every address, and says which ones may be connected to.

Whoever connects takes an address from here and never the name: a second look-up could answer something else (DNS
rebinding). One forbidden address among several refuses the host, because the order of the answers is not ours.
"""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.network.addresses import Address, Special, literal, special
from llm_engineering.infrastructure.network.hosts import spelled
from llm_engineering.infrastructure.network.ports import FIRST_FREE_PORT, WEB_PORTS, is_usual
from llm_engineering.infrastructure.network.private_hosts import PrivateHosts
from llm_engineering.infrastructure.network.resolving import system_addresses

# Name, port, seconds → addresses as text. May raise SourceError `unreachable` or `timeout`.
Resolver = Callable[[str, int, float], Iterable[str]]

_TRIED_ADDRESSES = 6  # of one name, one after the other, until a connection stands


class Guard:
    """Checks hosts and ports. `private_hosts` and `ports` are the exceptions that the user has configured.

    The resolver can be replaced; whatever it answers is checked.
    """

    def __init__(
        self, private_hosts: Sequence[str] = (), ports: Iterable[int] = (), resolve: Resolver | None = None
    ) -> None:
        self._private = PrivateHosts(private_hosts)
        self._ports = frozenset(ports)
        self._resolve = resolve or system_addresses

    def addresses(self, host: str, port: int, seconds: float, usual: frozenset[int] = WEB_PORTS) -> list[str]:
        """Return the addresses at which the host may be connected to, at least one, in the order of the resolver.

        `seconds` is how long the look-up may take, `usual` the ports below 1024 that belong to the protocol.

        Raises:
            SourceError: `forbidden_address`, `bad_url`, `unreachable` or `timeout`.
        """
        name = spelled(host)
        self._check_port(name, port, usual)
        written = literal(name)
        found = [written] if written is not None else self._resolved(name, port, seconds)
        for address in found:
            self._check_address(name, port, address)
        return [str(address) for address in found[:_TRIED_ADDRESSES]]

    def _resolved(self, name: str, port: int, seconds: float) -> list[Address]:
        found = [ip_address(text) for text in dict.fromkeys(self._resolve(name, port, seconds))]
        if not found:
            raise SourceError("unreachable", f"the name {name} has no address; check its spelling")
        return found

    def _check_port(self, name: str, port: int, usual: frozenset[int]) -> None:
        if is_usual(port, usual) or port in self._ports or self._private.names_port(name, port):
            return
        plain = ", ".join(map(str, sorted(usual)))
        message = (
            f"{_at(name, port)} is not connected to: port {port} belongs to another service. Usual are {plain} and "
            f"free ports from {FIRST_FREE_PORT} on; if it is right, list {port} in `ports` (fetching.ports)"
        )
        raise SourceError("forbidden_address", message)

    def _check_address(self, name: str, port: int, address: Address) -> None:
        found = special(address)
        if found is None or self._private.allow(name, port, address, found):
            return
        leads = "is" if literal(name) is not None else f"resolves to {address}, which is"
        message = f"{_at(name, port)} is not connected to: it {leads} {found.what}. {_advice(name, address, found)}"
        raise SourceError("forbidden_address", message)


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _advice(name: str, address: Address, found: Special) -> str:
    if found.allowed_by == "never":
        return "No setting allows that; use the public address of the host"
    entry = name if found.allowed_by == "name" else address
    return f"If it is a host of yours, list {str(entry)!r} in `private_hosts` (fetching.private_hosts)"
