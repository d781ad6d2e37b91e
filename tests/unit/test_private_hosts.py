"""The list of private hosts allows what it names, and nothing else."""

import pytest
from loopback import ToLoopback
from pydantic import ValidationError

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.http import HttpClient


@pytest.mark.parametrize(
    ("entry", "host", "answer", "port", "fetched"),
    [
        ("intranet.example", "intranet.example", "10.1.2.3", 8000, True),
        ("Intranet.Example.", "intranet.example", "10.1.2.3", 8000, True),
        ("intranet.example:8000", "intranet.example", "10.1.2.3", 8000, True),
        ("intranet.example:8000", "intranet.example", "10.1.2.3", 8001, False),
        ("intranet.example:25", "intranet.example", "10.1.2.3", 25, True),
        ("intranet.example", "other.intranet.example", "10.1.2.3", 8000, False),
        ("intranet.example", "intranet.example.evil.example", "10.1.2.3", 8000, False),
        ("intranet.example", "evil.example", "10.1.2.3", 8000, False),
        ("intranet.example", "10.1.2.3", "", 8000, False),
        ("intranet.example", "intranet.example", "169.254.169.254", 80, False),
        ("intranet.example", "intranet.example", "::ffff:10.1.2.3", 80, False),
        ("intranet.example", "intranet.example", "0.0.0.0", 80, False),
        ("10.1.2.3", "intranet.example", "10.1.2.3", 8000, True),
        ("10.1.2.3", "10.1.2.3", "", 8000, True),
        ("10.1.2.3", "10.1.2.4", "", 8000, False),
        ("10.1.0.0/16", "any.example", "10.1.255.1", 8000, True),
        ("10.1.0.0/16", "any.example", "10.2.0.1", 8000, False),
        ("10.1.0.0/16:8000", "any.example", "10.1.0.1", 8001, False),
        ("[::1]:8000", "[::1]", "", 8000, True),
        ("::1", "[0:0::1]", "", 8000, True),
        ("fd00::/8", "any.example", "fd12::1", 8000, True),
        ("169.254.169.254", "169.254.169.254", "", 80, True),
        ("198.18.0.0/15", "any.example", "198.18.0.9", 80, True),
    ],
)
def test_the_list_allows_what_it_names(entry: str, host: str, answer: str, port: int, fetched: bool) -> None:
    dialer = ToLoopback(0)
    fetching = Fetching(private_hosts=(entry,), respect_robots=False, retries=0)
    client = HttpClient(fetching, resolve=lambda *_: (answer,), dialer=dialer)
    with client, pytest.raises(SourceError) as raised:
        client.get(f"http://{host}:{port}/")
    assert (raised.value.reason == "unreachable") is fetched, raised.value
    assert bool(dialer.dialled) is fetched


@pytest.mark.parametrize(
    "entry",
    [
        "0.0.0.0/0",
        "::/0",
        "8.8.8.8",
        "93.184.216.0/24",
        "10.0.0.0/7",
        "0.0.0.0",
        "224.0.0.1",
        "::ffff:127.0.0.1",
        "",
        "*",
        "*.example",
        "http://localhost",
        "localhost:",
        "localhost:0",
        "localhost:99999",
        "10.0.0.1/8",
        "127.1",
        "a b",
        "[::1",
    ],
)
def test_a_list_that_would_open_more_is_refused(entry: str) -> None:
    with pytest.raises(ValidationError, match="private_hosts"):
        Fetching(private_hosts=(entry,))
