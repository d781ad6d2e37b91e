"""The HTTP client against real servers on the loopback interface."""

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.http import HttpClient

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """A server with an answer per path; it remembers every request."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


@contextmanager
def serving() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            site.answers.get(self.path, status(404))(self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda request, address: None  # clients that hang up are what is tested here
    site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as started:
        yield started


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def page(body: bytes = b"hello", **headers: str) -> Answer:
    return status(200, body, **headers)


def one_after_the_other(*answers: Answer) -> Answer:
    remaining = list(answers)
    return lambda handler: (remaining.pop(0) if len(remaining) > 1 else remaining[0])(handler)


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def client(clock: Time | None = None, **settings: object) -> HttpClient:
    clock = clock or Time()
    fetching = Fetching(
        **({"requests_per_second": 1000.0, "timeout_seconds": 5.0, "private_hosts": ["127.0.0.1"]} | settings)
    )
    return HttpClient(fetching, clock=lambda: clock.now, sleep=clock.sleep)


def reason_of(site_url: str, **settings: object) -> str:
    with client(**settings) as http, pytest.raises(SourceError) as raised:
        http.get(site_url)
    return raised.value.reason


def test_a_page_comes_back_with_its_headers(site: Site) -> None:
    site.answers["/a"] = page("grüß".encode(), Content_Type="text/html; charset=UTF-8", ETag='"1"')
    with client() as http:
        response = http.get(site.url + "/a#part")
    assert response.content.decode() == "grüß"
    assert (response.url, response.content_type, response.charset) == (site.url + "/a", "text/html", "utf-8")
    assert response.validators == {"etag": '"1"'}


def test_what_is_known_makes_the_request_conditional(site: Site) -> None:
    site.answers["/a"] = status(304)
    with client() as http:
        assert http.get(site.url + "/a", known={"etag": '"1"', "last_modified": "yesterday"}).not_modified
    sent = site.requests[-1][1]
    assert (sent["if-none-match"], sent["if-modified-since"]) == ('"1"', "yesterday")


@pytest.mark.parametrize("etag", ['"\udcff\udcfe"', '"ÿþ"', '"a\x00b"', '"a\r\nX: y"'])
def test_what_cannot_stand_in_a_head_is_not_sent_back(site: Site, etag: str) -> None:
    site.answers["/a"] = page(b"text")
    with client() as http:
        assert http.get(site.url + "/a", known={"etag": etag, "last_modified": "yesterday"}).content == b"text"
    sent = site.requests[-1][1]
    assert (sent.get("if-none-match"), sent["if-modified-since"], sent.get("x")) == (None, "yesterday", None)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 451, 500, 501])
def test_an_error_status_is_the_reason_and_is_not_retried(site: Site, code: int) -> None:
    site.answers["/a"] = status(code)
    assert reason_of(site.url + "/a") == f"http_{code}"
    assert site.paths.count("/a") == 1


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_a_transient_status_is_tried_again(site: Site, code: int) -> None:
    site.answers["/a"] = one_after_the_other(status(code), status(code), page())
    clock = Time()
    with client(clock) as http:
        assert http.get(site.url + "/a").content == b"hello"
    assert [wait for wait in clock.slept if wait >= 0.5] == [0.5, 1.0]


def test_a_transient_status_that_stays_is_the_reason(site: Site) -> None:
    site.answers["/a"] = status(503)
    assert reason_of(site.url + "/a", retries=1) == "http_503"
    assert site.paths.count("/a") == 2


def test_retry_after_in_seconds_is_waited_for(site: Site) -> None:
    site.answers["/a"] = one_after_the_other(status(503, Retry_After="7"), page())
    clock = Time()
    with client(clock) as http:
        http.get(site.url + "/a")
    assert 7.0 in clock.slept


def test_retry_after_as_a_date_is_waited_for(site: Site) -> None:
    site.answers["/a"] = one_after_the_other(status(429, Retry_After=formatdate(time.time() + 30, usegmt=True)), page())
    clock = Time()
    with client(clock) as http:
        http.get(site.url + "/a")
    assert 25 <= max(clock.slept) <= 30


def test_a_retry_after_beyond_the_limit_fails_at_once(site: Site) -> None:
    site.answers["/a"] = status(429, Retry_After="3600")
    clock = Time()
    with client(clock) as http, pytest.raises(SourceError, match="3600 s"):
        http.get(site.url + "/a")
    assert site.paths.count("/a") == 1
    assert max(clock.slept, default=0.0) < 1


def test_requests_to_a_host_keep_their_distance(site: Site) -> None:
    site.answers["/a"] = page()
    clock = Time()
    with client(clock, requests_per_second=0.5) as http:
        for _ in range(3):
            http.get(site.url + "/a")
    assert clock.slept == [2.0, 2.0, 2.0]  # robots.txt, and then three pages


def test_hosts_do_not_wait_for_each_other(site: Site) -> None:
    clock = Time()
    with serving() as other, client(clock, respect_robots=False, requests_per_second=0.5) as http:
        site.answers["/a"] = other.answers["/a"] = page()
        http.get(site.url + "/a")
        http.get(other.url + "/a")
    assert clock.slept == []


def test_the_crawl_delay_of_robots_txt_is_kept_up_to_a_bound(site: Site) -> None:
    site.answers |= {"/robots.txt": page(b"User-agent: *\nCrawl-delay: 500\n"), "/a": page()}
    clock = Time()
    with client(clock, max_crawl_delay_seconds=9.0) as http:
        http.get(site.url + "/a")
        http.get(site.url + "/a")
    assert max(clock.slept) == 9.0


def test_what_robots_txt_disallows_is_not_fetched(site: Site) -> None:
    site.answers |= {"/robots.txt": page(b"User-agent: *\nDisallow: /private\n"), "/private/a": page(), "/b": page()}
    assert reason_of(site.url + "/private/a") == "robots"
    with client() as http:
        assert http.get(site.url + "/b").status == 200
    assert "/private/a" not in site.paths


def test_rules_for_another_robot_do_not_count(site: Site) -> None:
    site.answers |= {"/robots.txt": page(b"User-agent: github\nDisallow: /\n"), "/a": page()}
    with client() as http:
        assert http.get(site.url + "/a").status == 200


def test_robots_txt_is_fetched_once_for_all_pages(site: Site) -> None:
    site.answers["/a"] = site.answers["/b"] = page()
    with client() as http:
        http.get(site.url + "/a")
        http.get(site.url + "/b")
    assert site.paths == ["/robots.txt", "/a", "/b"]


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_without_a_robots_txt_everything_is_allowed(site: Site, code: int) -> None:
    site.answers |= {"/robots.txt": status(code), "/a": page()}
    with client() as http:
        assert http.get(site.url + "/a").status == 200


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_unknown_robots_txt_forbids_the_host_for_the_moment(site: Site, code: int) -> None:
    site.answers |= {"/robots.txt": status(code), "/a": page()}
    clock = Time()
    with client(clock, retries=0) as http:
        for _ in range(2):
            with pytest.raises(SourceError) as raised:
                http.get(site.url + "/a")
            assert raised.value.reason == "robots_unavailable"
        assert site.paths == ["/robots.txt"]
        clock.now += 61
        site.answers["/robots.txt"] = status(404)
        assert http.get(site.url + "/a").status == 200


def test_a_huge_robots_txt_is_read_as_far_as_allowed(site: Site) -> None:
    rules = b"User-agent: *\nDisallow: /private\n" + b"# padding\n" * 100_000
    site.answers |= {"/robots.txt": page(rules), "/a": page()}
    assert reason_of(site.url + "/private") == "robots"


def test_a_redirect_into_what_robots_txt_disallows_is_refused(site: Site) -> None:
    site.answers |= {
        "/robots.txt": page(b"User-agent: *\nDisallow: /private\n"),
        "/a": status(302, Location="/private"),
    }
    assert reason_of(site.url + "/a") == "robots"
    assert "/private" not in site.paths


def test_redirects_are_followed_and_counted(site: Site) -> None:
    for number in range(6):
        site.answers[f"/{number}"] = status(301, Location=f"{number + 1}")
    site.answers["/6"] = page()
    with client(max_redirects=6) as http:
        assert http.get(site.url + "/0").url == site.url + "/6"
    assert reason_of(site.url + "/0", max_redirects=5) == "redirects"


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://example.org/",
        "javascript:alert(1)",
        "http://",
        "//:0",
        "http://[",
        "http://a:b/",
        "  ",
    ],
)
def test_a_redirect_to_anything_but_http_is_refused(site: Site, target: str) -> None:
    site.answers["/a"] = status(302, Location=target)
    assert reason_of(site.url + "/a") == "redirects"


def test_credentials_of_a_url_stay_at_its_origin(site: Site) -> None:
    with serving() as other, client() as http:
        site.answers |= {
            "/a": status(302, Location="/b"),
            "/b": status(302, Location=other.url.replace("//", "//x:y@") + "/c"),
        }
        other.answers["/c"] = page()
        response = http.get(site.url.replace("//", "//user:secret@") + "/a")
        assert other.paths == ["/robots.txt", "/c"]
        assert all("authorization" not in headers for _, headers in other.requests)
    assert {path for path, headers in site.requests if "authorization" in headers} >= {"/a", "/b"}
    assert "secret" not in response.url


def test_cookies_live_for_one_call_only(site: Site) -> None:
    site.answers |= {"/a": status(302, Location="/b", Set_Cookie="seen=1"), "/b": page()}
    with client() as http:
        http.get(site.url + "/a")
        http.get(site.url + "/b")
    cookies = [headers.get("cookie", "") for path, headers in site.requests if path == "/b"]
    assert cookies == ["seen=1", ""]


def test_messages_never_show_credentials() -> None:
    with client(retries=0) as http, pytest.raises(SourceError) as raised:
        http.get("http://user:secret@127.0.0.1:1/")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("limit", [10, 99_999])
def test_a_response_over_the_limit_is_refused(site: Site, limit: int) -> None:
    site.answers["/a"] = page(b"x" * 100_000)
    assert reason_of(site.url + "/a", max_bytes=limit) == "too_large"


def test_a_compressed_response_is_measured_decoded(site: Site) -> None:
    site.answers["/bomb"] = page(gzip.compress(b"\0" * 50_000_000), Content_Encoding="gzip")
    assert reason_of(site.url + "/bomb", max_bytes=1_000_000) == "too_large"


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:])),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data)[2:-4]),
    ],
)
def test_compressed_responses_are_decoded(site: Site, name: str, encode: Callable[[bytes], bytes]) -> None:
    body = b"the same text again and again " * 10_000
    site.answers["/a"] = page(encode(body), Content_Encoding=name)
    with client() as http:
        assert http.get(site.url + "/a").content == body


@pytest.mark.parametrize("name", ["br", "gzip, gzip", "zstd"])
def test_an_encoding_that_was_not_asked_for_is_refused(site: Site, name: str) -> None:
    site.answers["/a"] = page(b"whatever", Content_Encoding=name)
    assert reason_of(site.url + "/a") == "encoding"


def test_damaged_compression_is_refused(site: Site) -> None:
    site.answers["/a"] = page(b"\x1f\x8bno gzip at all", Content_Encoding="gzip")
    assert reason_of(site.url + "/a") == "encoding"


def test_a_cut_response_is_no_response(site: Site) -> None:
    site.answers["/a"] = page(gzip.compress(b"text " * 1000)[:-30], Content_Encoding="gzip")
    assert reason_of(site.url + "/a", retries=0) == "unreachable"


def test_a_connection_that_breaks_is_tried_again(site: Site) -> None:
    def broken(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        handler.close_connection = True

    site.answers["/a"] = one_after_the_other(broken, page())
    with client() as http:
        assert http.get(site.url + "/a").content == b"hello"


def test_a_server_that_does_not_answer_times_out(site: Site) -> None:
    site.answers["/a"] = lambda handler: time.sleep(1.0)
    assert reason_of(site.url + "/a", timeout_seconds=0.2, retries=0) == "timeout"


@pytest.mark.parametrize("drip", ["head", "body"])
def test_a_server_that_drips_cannot_hold_us(site: Site, drip: str) -> None:
    def dripping(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        start = b"HTTP/1.1 200 OK\r\n" + (b"" if drip == "head" else b"Content-Length: 1000\r\n\r\n")
        try:
            handler.wfile.write(start)
            for _ in range(100):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            return  # the client had enough

    site.answers["/a"] = dripping
    began = time.monotonic()
    assert reason_of(site.url + "/a", timeout_seconds=0.4, retries=0) == "timeout"
    assert time.monotonic() - began < 2


def test_nobody_listening_is_unreachable() -> None:
    assert reason_of("http://127.0.0.1:1023/", ports=[1023], retries=0) == "unreachable"


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    assert reason_of("http://nobody.invalid/", retries=0) == "unreachable"


def test_something_that_speaks_no_tls_is_a_tls_error(site: Site) -> None:
    assert reason_of(site.url.replace("http:", "https:"), retries=0) == "tls"


def test_something_that_speaks_no_http_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        assert reason_of(f"http://127.0.0.1:{port}/", retries=0, respect_robots=False) == "unreachable"
        thread.join()
