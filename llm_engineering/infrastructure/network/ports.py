"""Which ports may be spoken to: those where the web lives, not those where a request could be taken for a command."""

WEB_PORTS = frozenset({80, 443})
SSH_PORTS = frozenset({22})
FIRST_FREE_PORT = 1024

# Ports from 1024 on where something else listens: those that browsers block (https://fetch.spec.whatwg.org/#port-blocking),
# and databases, brokers and remote desktops that read plain lines of text.
OTHER_SERVICES = frozenset(
    {
        *(1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6679, 6697, 10080),
        *range(6665, 6670),
        *(1433, 1521, 2375, 2376, 3306, 3389, 4222, 5432, 5672, 5900, 6379, 6380, 6432, 9042, 9092, 11211),
        *(27017, 27018, 27019),
    }
)


def is_usual(port: int, usual: frozenset[int] = WEB_PORTS) -> bool:
    """Tell whether a port may be spoken to without being named in the configuration.

    >>> [port for port in (22, 25, 80, 443, 6379, 8000, 65535) if is_usual(port)]
    [80, 443, 8000, 65535]
    """
    return port in usual or (FIRST_FREE_PORT <= port < 65536 and port not in OTHER_SERVICES)
