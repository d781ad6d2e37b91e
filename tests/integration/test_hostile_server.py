"""Every behaviour of the hostile server through real sources: all is accounted for, in bounded time and memory."""

import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_server import BEHAVIOURS, HostileServer, hostile_server

from llm_engineering.domain.documents import Document, Failure, Item, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.sources import JsonEndpoint, SourceContext, Web

SECONDS = 1.5
MEGABYTES = 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileServer]:
    folder = tmp_path_factory.mktemp("certificate")
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run(["openssl", *made, "-keyout", str(folder / "key"), "-out", str(folder / "cert")],
                   check=True, capture_output=True)  # fmt: skip
    with hostile_server((str(folder / "cert"), str(folder / "key"))) as started:
        yield started


def opened(home: Path, **settings: object) -> SourceContext:
    usual = {"requests_per_second": 1000.0, "retries": 0, "timeout_seconds": SECONDS, "max_bytes": 300_000}
    return SourceContext(home, Fetching(**(usual | {"private_hosts": ["127.0.0.1"]} | settings)))


def outcome(item: Item) -> str:
    if isinstance(item, Document):
        return "document"
    return item.reason if isinstance(item, Rejection | Failure) else "not_modified"


def test_every_behaviour_is_accounted_for_once(server: HostileServer, tmp_path: Path) -> None:
    manifest = server.manifest
    assert len(manifest) >= 100
    context = opened(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    items = list(Web(urls=tuple(manifest)).open(context).read())
    took = time.monotonic() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    context.close()
    assert [item.uri for item in items] == list(manifest)
    wrong = {
        item.uri: (outcome(item), sorted(manifest[item.uri]))
        for item in items
        if outcome(item) not in manifest[item.uri]
    }
    assert not wrong
    assert took < len(manifest) * SECONDS
    assert grown < MEGABYTES


def test_a_source_of_its_own_ends_with_a_reason_each_time(server: HostileServer, tmp_path: Path) -> None:
    """A JSON endpoint is fetched whole: what is wrong with it is an error of the source."""
    context = opened(tmp_path, respect_robots=False, timeout_seconds=0.3)
    for name in BEHAVIOURS:
        with pytest.raises(SourceError) as raised:
            list(JsonEndpoint(url=server.url(name), template="{a}", max_bytes=300_000).open(context).read())
        assert raised.value.reason
        assert len(str(raised.value)) > 10
    context.close()


def test_no_credentials_and_no_cookies_reach_another_origin(server: HostileServer, tmp_path: Path) -> None:
    server.heads.clear()
    context = opened(tmp_path, respect_robots=False)
    for name in ("redirect-to-other", "redirect-with-password", "cookie-of-another-domain", "asks-for-a-password"):
        list(Web(urls=(f"http://me:mine@{server.site}/{name}",)).open(context).read())
    context.close()
    elsewhere = [head for head in server.heads if f"Host: {server.other}".encode() in head]
    assert len(elsewhere) == 2
    assert not any(b"ookie:" in head or b"uthorization:" in head for head in elsewhere)
    assert not any(b"ookie:" in head and b"/fine" in head for head in server.heads)


def test_retries_end_too(server: HostileServer, tmp_path: Path) -> None:
    context = opened(tmp_path, retries=1, respect_robots=False, timeout_seconds=0.2, max_retry_after_seconds=0.6)
    names = ("says-nothing", "resets", "retry-after-a-year", "length-too-long")
    began = time.monotonic()
    items = list(Web(urls=tuple(server.url(name) for name in names)).open(context).read())
    assert time.monotonic() - began < 6
    context.close()
    assert all(isinstance(item, Failure) for item in items)
