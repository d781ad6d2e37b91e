"""The guard against malicious addresses, none of which may cause a connection, and for harmless look-alikes."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpcore
import pytest
from hostile_addresses import BENIGN, MALICIOUS, NAMES, PUBLIC, REDIRECTS
from loopback import ARTICLE, Canary, Loopback, ToLoopback

from llm_engineering.domain.documents import Document, Failure, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.http import HttpClient
from llm_engineering.infrastructure.sources import JsonEndpoint, SourceContext, Web


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    started = Canary()
    yield started
    started.socket.close()


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Record every address that a socket of this test is asked to connect to.

    Threads that earlier tests left behind may still look for a server of theirs.
    """
    seen: list[Any] = []
    of_others = set(threading.enumerate()) - {threading.current_thread()}

    class Recording(socket.socket):
        def connect(self, address: Any) -> None:
            if threading.current_thread() not in of_others:
                seen.append(address)
            if not str(address[0]).startswith("127."):
                raise OSError("no test speaks to the world outside")
            super().connect(address)

    monkeypatch.setattr(socket, "socket", Recording)
    return seen


def quick(**settings: object) -> Fetching:
    usual = {"requests_per_second": 1000.0, "retries": 0, "timeout_seconds": 3.0}
    return Fetching(**(usual | settings))


def fake_names(name: str, port: int, seconds: float) -> Iterable[str]:
    return NAMES.get(name, (PUBLIC,))


def refusal(url: str, **settings: object) -> SourceError:
    with HttpClient(quick(**settings), resolve=fake_names) as client, pytest.raises(SourceError) as raised:
        client.get(url)
    return raised.value


def test_there_are_enough_of_them() -> None:
    assert len(set(MALICIOUS)) >= 150


@pytest.mark.parametrize("url", MALICIOUS, ids=ascii)
def test_malicious_addresses_are_refused_without_a_connection(url: str, canary: Canary, connections: list[Any]) -> None:
    error = refusal(url.replace("{port}", str(canary.port)))
    assert error.reason in ("forbidden_address", "bad_url"), error
    assert len(str(error)) > 30
    assert connections == []
    assert not canary.was_touched()


@pytest.mark.parametrize("respect_robots", [True, False])
def test_no_source_lets_them_through(
    respect_robots: bool, canary: Canary, connections: list[Any], tmp_path: Path
) -> None:
    urls = [url.replace("{port}", str(canary.port)) for url in MALICIOUS]
    context = SourceContext(tmp_path, quick(respect_robots=respect_robots), resolve=fake_names)
    items = list(Web(urls=tuple(urls)).open(context).read())
    assert {item.reason for item in items if isinstance(item, Rejection)} == {"forbidden_address", "bad_url"}
    assert not any(isinstance(item, Document | Failure) for item in items)
    for url in urls[::20]:
        if url.startswith("http://"):
            with pytest.raises(SourceError):
                list(JsonEndpoint(url=url, template="{a}").open(context).read())
    context.close()
    assert connections == []
    assert not canary.was_touched()


def test_a_refusal_names_host_address_reason_and_setting() -> None:
    said = str(refusal("http://router.example/"))
    for part in ("router.example:80", "192.168.1.1", "a private address", "private_hosts"):
        assert part in said
    assert "No setting" in str(refusal("http://mapped.example/"))
    assert "'169.254.169.254' in `private_hosts`" in str(refusal("http://metadata.example/"))
    assert "ports" in str(refusal("http://good.example:6379/"))
    assert "hunter2" not in str(refusal("http://me:hunter2@router.example/"))


# Redirects and rebinding


@pytest.fixture
def allowed() -> Iterator[Loopback]:
    server = Loopback()
    yield server
    server.close()


@pytest.mark.parametrize("target", REDIRECTS)
def test_a_redirect_is_checked_like_the_first_address(
    target: str, allowed: Loopback, canary: Canary, connections: list[Any]
) -> None:
    url = allowed.redirect("/go", target.replace("{port}", str(canary.port)))
    error = refusal(url, private_hosts=["127.0.0.1"])
    assert error.reason in ("forbidden_address", "redirects")
    assert "/go" in str(error)
    assert set(connections) == {("127.0.0.1", allowed.port)}
    assert not canary.was_touched()


def test_robots_txt_is_no_way_around(allowed: Loopback, connections: list[Any]) -> None:
    allowed.redirect("/robots.txt", "http://169.254.169.254/latest/")
    assert refusal(allowed.url + "/a", private_hosts=["127.0.0.1"]).reason == "forbidden_address"
    assert set(connections) == {("127.0.0.1", allowed.port)}


def test_a_name_that_changes_its_address_is_caught(canary: Canary, connections: list[Any]) -> None:
    """Rebinding: the first answer is public and does not answer, the second is ours."""
    answers = iter([PUBLIC])
    asked: list[str] = []

    def rebinding(name: str, port: int, seconds: float) -> Iterable[str]:
        asked.append(name)
        return (next(answers, "127.0.0.1"),)

    class Refusing(httpcore.NetworkBackend):
        def connect_tcp(self, host: str, port: int, *rest: Any, **more: Any) -> httpcore.NetworkStream:
            dialled.append(host)
            raise httpcore.ConnectError("refused")

    dialled: list[str] = []
    settings = quick(retries=2, respect_robots=False)
    client = HttpClient(settings, sleep=lambda _: None, resolve=rebinding, dialer=Refusing())
    with client, pytest.raises(SourceError) as raised:
        client.get(f"http://rebind.example:{canary.port}/")
    assert raised.value.reason == "forbidden_address"
    assert dialled == [PUBLIC]  # what was checked is what was dialled, once for each look-up
    assert asked == ["rebind.example"] * 2
    assert not canary.was_touched()


def test_a_name_is_looked_up_once_for_a_connection(allowed: Loopback) -> None:
    asked: list[str] = []

    def counting(name: str, port: int, seconds: float) -> Iterable[str]:
        asked.append(name)
        return ("127.0.0.1",) if len(asked) == 1 else ("127.0.0.66",)

    allowed.answers["/robots.txt"] = (200, {})
    with HttpClient(quick(private_hosts=["127.0.0.1"]), resolve=counting) as client:
        for page in "abc":  # robots.txt and three pages over one connection that is kept alive
            client.get(f"http://fish.example:{allowed.port}/{page}")
    assert len(asked) == 1
    assert [path for path, _ in allowed.requests] == ["/robots.txt", "/a", "/b", "/c"]
    assert allowed.requests[0][1]["host"] == f"fish.example:{allowed.port}"


def test_a_connection_that_is_kept_alive_serves_no_other_name(allowed: Loopback, connections: list[Any]) -> None:
    names = {"mine.example": "127.0.0.1", "evil.example": "127.0.0.2"}
    with HttpClient(quick(private_hosts=["127.0.0.1"]), resolve=lambda name, *_: (names[name],)) as client:
        client.get(f"http://mine.example:{allowed.port}/")
        with pytest.raises(SourceError, match="not connected"):
            client.get(f"http://evil.example:{allowed.port}/")
    assert set(connections) == {("127.0.0.1", allowed.port)}


def test_a_resolver_that_hangs_is_given_up() -> None:
    hanging = threading.Event()
    original = socket.getaddrinfo
    socket.getaddrinfo = lambda *arguments, **more: hanging.wait(10) and []  # type: ignore[assignment]
    try:
        with HttpClient(quick(timeout_seconds=0.2)) as client, pytest.raises(SourceError) as raised:
            client.get("http://slow.example/")
    finally:
        socket.getaddrinfo = original
        hanging.set()
    assert raised.value.reason == "timeout"


def test_proxies_of_the_environment_are_ignored(
    allowed: Loopback, connections: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.3:3128")
    with HttpClient(quick(private_hosts=["127.0.0.1"])) as client:
        assert client.get(allowed.url + "/a").content == ARTICLE
    assert set(connections) == {("127.0.0.1", allowed.port)}


def test_credentials_and_cookies_stay_with_their_origin(allowed: Loopback) -> None:
    other = Loopback()
    try:
        allowed.redirect("/a", "/b", **{"Set-Cookie": "id=1; Path=/"})
        allowed.redirect("/b", other.url.replace("//", "//them:pw@") + "/c", **{"Set-Cookie": "more=2; Path=/"})
        other.redirect("/c", allowed.url + "/d")
        with HttpClient(quick(private_hosts=["127.0.0.1"], respect_robots=False)) as client:
            client.get(allowed.url.replace("//", "//me:pw@") + "/a")
            client.get(allowed.url + "/e")
    finally:
        other.close()
    sent = dict([*allowed.requests, *other.requests])
    assert sent["/b"]["cookie"] == "id=1"
    assert "authorization" in sent["/b"]
    for path in ("/c", "/d", "/e"):
        assert not {"cookie", "authorization"} & set(sent[path])


# Harmless look-alikes


def test_there_are_enough_look_alikes() -> None:
    assert len(set(BENIGN)) >= 60


@pytest.mark.parametrize("url", BENIGN, ids=ascii)
def test_harmless_look_alikes_are_fetched(url: str, allowed: Loopback, tmp_path: Path) -> None:
    dialer = ToLoopback(allowed.port)
    with HttpClient(quick(), resolve=lambda *_: (PUBLIC,), dialer=dialer) as client:
        response = client.get(url)
    assert response.content == ARTICLE
    assert allowed.requests[0][0] == "/robots.txt"
    assert len(set(dialer.dialled)) == 1
    assert dialer.dialled[0][0] != "127.0.0.1"


def test_the_next_address_of_a_name_is_tried(allowed: Loopback) -> None:
    silent = "127.0.0.77"
    settings = quick(private_hosts=["127.0.0.0/8"], respect_robots=False)
    with HttpClient(settings, resolve=lambda *_: (silent, "127.0.0.1")) as client:
        assert client.get(f"http://two.example:{allowed.port}/").content == ARTICLE


def test_tls_asks_for_the_name_and_checks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=fish.example"]
    names = [
        "-addext",
        "subjectAltName=DNS:fish.example",
        "-keyout",
        str(tmp_path / "key"),
        "-out",
        str(tmp_path / "cert"),
    ]
    subprocess.run(["openssl", *made, *names], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    context.sni_callback = lambda _, name, __: asked.append(name)
    server = Loopback()
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    try:
        settings = quick(private_hosts=["127.0.0.1"], respect_robots=False)
        with HttpClient(settings, resolve=lambda *_: ("127.0.0.1",)) as client:
            assert client.get(f"https://fish.example:{server.port}/").content == ARTICLE
            with pytest.raises(SourceError) as raised:
                client.get(f"https://other.example:{server.port}/")
    finally:
        server.close()
    assert raised.value.reason == "tls"
    assert asked == ["fish.example", "other.example"]
