"""Which IP addresses are public, and what the others are.

The ranges are those of the IANA registries of special-purpose addresses
(https://www.iana.org/assignments/iana-ipv4-special-registry, iana-ipv6-special-registry), plus the address under which
Azure's virtual machines find their host, which looks public. They are written out, because `ipaddress.is_global`
changes with the version of Python and lets multicast through.
"""

from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# How a configuration may allow a range: by a host's name, only by the address or network itself, or not at all.
Allowed = Literal["name", "address", "never"]


@dataclass(frozen=True, slots=True)
class Special:
    """A range that is not public: what it is, and how it may be allowed."""

    network: Network
    what: str
    allowed_by: Allowed


_RANGES: tuple[tuple[str, str, Allowed], ...] = (
    ("127.0.0.0/8", "a loopback address", "name"),
    ("10.0.0.0/8", "a private address", "name"),
    ("172.16.0.0/12", "a private address", "name"),
    ("192.168.0.0/16", "a private address", "name"),
    ("100.64.0.0/10", "a carrier's shared address", "name"),
    ("169.254.0.0/16", "a link-local address, where clouds keep their metadata", "address"),
    ("168.63.129.16/32", "the address of Azure's host", "address"),
    ("192.0.0.0/24", "an address reserved for protocols", "address"),
    ("192.0.2.0/24", "an address for documentation", "address"),
    ("198.51.100.0/24", "an address for documentation", "address"),
    ("203.0.113.0/24", "an address for documentation", "address"),
    ("198.18.0.0/15", "an address for benchmarks", "address"),
    ("192.88.99.0/24", "a 6to4 relay", "never"),
    ("0.0.0.0/8", "an unspecified address", "never"),
    ("224.0.0.0/4", "a multicast address", "never"),
    ("255.255.255.255/32", "the broadcast address", "never"),
    ("240.0.0.0/4", "a reserved address", "never"),
    ("::1/128", "a loopback address", "name"),
    ("fd00:ec2::254/128", "the address of a cloud's metadata", "address"),
    ("fd20:ce::254/128", "the address of a cloud's metadata", "address"),
    ("fc00::/7", "a private address", "name"),
    ("fe80::/10", "a link-local address", "address"),
    ("2001:db8::/32", "an address for documentation", "address"),
    ("3fff::/20", "an address for documentation", "address"),
    ("::/128", "the unspecified address", "never"),
    ("::ffff:0:0/96", "an IPv4 address in IPv6 form", "never"),
    ("::ffff:0:0:0/96", "an IPv4 address in IPv6 form", "never"),
    ("64:ff9b:1::/48", "an IPv4 address behind a local translator", "never"),
    ("2001::/32", "a Teredo address, which hides an IPv4 address", "never"),
    ("2002::/16", "a 6to4 address, which hides an IPv4 address", "never"),
    ("2001::/23", "an address reserved for protocols", "never"),
    ("fec0::/10", "a site-local address", "never"),
    ("ff00::/8", "a multicast address", "never"),
)
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


@cache
def special_ranges() -> tuple[Special, ...]:
    """Return the ranges that are not public, the narrower before the wider."""
    return tuple(Special(ip_network(network), what, allowed) for network, what, allowed in _RANGES)


def special(address: Address) -> Special | None:
    """Return the special range that an address belongs to, or None if it is public.

    An IPv4 address that is hidden in an IPv6 one is what counts where a network really translates it (NAT64, ISATAP).

    >>> special(ip_address("93.184.216.34")) is None
    True
    >>> special(ip_address("64:ff9b::10.1.2.3")).what
    'a private address'
    """
    if isinstance(address, IPv6Address) and (hidden := _translated(address)) is not None:
        return special(hidden)
    for known in special_ranges():
        if address in known.network:
            return known
    if isinstance(address, IPv6Address) and address not in _GLOBAL_IPV6:
        return Special(ip_network(address), "an address outside the public range of IPv6", "never")
    return None


def literal(host: str) -> Address | None:
    """Return the address that a host is written as, or None if it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _translated(address: IPv6Address) -> IPv4Address | None:
    number = int(address)
    is_isatap = (number >> 32) & 0xFFFFFFFF in _ISATAP and special(IPv4Address(number & 0xFFFFFFFF)) is not None
    return IPv4Address(number & 0xFFFFFFFF) if address in _NAT64 or is_isatap else None
