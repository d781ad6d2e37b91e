"""A server on the loopback interface that behaves as badly as servers can, and a manifest of what may come of it.

`BEHAVIOURS` is the manifest: the name of a behaviour, which is its path, and the allowed outcomes: `document`, or the
reason code of the rejection or failure. `hostile_server()` starts the server; `SERVED` tells what each one does to the
socket. It speaks through bare sockets, because a library would not let it say such things.
"""

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

ARTICLE = (
    b"<html><head><title>Cod</title></head><body><article><h1>Cod</h1>"
    + b"<p>The cod is a fish of cold seas. It is caught with nets, and eaten with potatoes.</p>" * 12
    + b"</article></body></html>"
)
PAUSE = 0.03  # between the drops of what drips


@dataclass(frozen=True)
class Visit:
    """A request: the connection, the address of this server and of another origin, and the head as it was sent."""

    socket: socket.socket
    site: str
    other: str
    head: bytes
    over: threading.Event

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head_of(self, status: str = "200 OK", *headers: str, kind: str = "text/html") -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *headers, "", ""]
        self.send("\r\n".join(lines).encode("utf-8", "surrogateescape"))

    def answer(self, body: bytes = ARTICLE, status: str = "200 OK", *headers: str, kind: str = "text/html") -> None:
        self.head_of(status, *headers, f"Content-Length: {len(body)}", kind=kind)
        self.send(body)

    def for_ever(self, data: bytes, pause: float = 0.0) -> None:
        while not self.over.is_set():
            self.send(data)
            time.sleep(pause)

    def wait(self) -> None:
        """Say nothing until the client is gone, or the test is over."""
        self.socket.settimeout(0.1)
        while not self.over.is_set():
            try:
                if not self.socket.recv(1000):
                    return
            except TimeoutError:
                continue


Behaviour = Callable[[Visit], None]


def says(data: bytes) -> Behaviour:
    return lambda visit: visit.send(data)


def answers(body: bytes = ARTICLE, status: str = "200 OK", *headers: str, kind: str = "text/html") -> Behaviour:
    return lambda visit: visit.answer(body, status, *headers, kind=kind)


def redirects(to: str, status: str = "302 Found", *headers: str) -> Behaviour:
    """Redirect; {site} and {other} stand for the addresses of this server and of the other origin."""
    return lambda visit: visit.answer(
        b"", status, "Location: " + to.replace("{site}", visit.site).replace("{other}", visit.other), *headers
    )


def chunked(*chunks: bytes, headers: tuple[str, ...] = ()) -> Behaviour:
    def behave(visit: Visit) -> None:
        visit.head_of("200 OK", "Transfer-Encoding: chunked", *headers)
        for chunk in chunks:
            visit.send(chunk)

    return behave


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


def drips(start: bytes, drop: bytes) -> Behaviour:
    def behave(visit: Visit) -> None:
        visit.send(start)
        visit.for_ever(drop, PAUSE)

    return behave


def pours(start: bytes, drop: bytes) -> Behaviour:
    def behave(visit: Visit) -> None:
        visit.send(start)
        visit.for_ever(drop)

    return behave


def waits(start: bytes = b"") -> Behaviour:
    def behave(visit: Visit) -> None:
        visit.send(start)
        visit.wait()

    return behave


def resets(start: bytes = b"") -> Behaviour:
    def behave(visit: Visit) -> None:
        visit.send(start)
        visit.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return behave


def encoded(body: bytes, encoding: str) -> Behaviour:
    return answers(body, "200 OK", f"Content-Encoding: {encoding}")


def bomb(megabytes: int = 60) -> bytes:
    """Return a gzip stream of so many megabytes of blanks: about a thousandth of that."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join([*(packer.compress(b" " * 1_000_000) for _ in range(megabytes)), packer.flush()])


def every_redirect(visit: Visit) -> None:
    number = int(visit.head.split()[1].rpartition(b"-")[2] or b"0")
    visit.answer(b"", "302 Found", f"Location: /redirect-chain-{number + 1}")


def login(visit: Visit) -> None:
    visit.answer(b"", "401 Unauthorized", 'WWW-Authenticate: Basic realm="give me your password"')


def entities() -> bytes:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    kind = f'<!DOCTYPE html [<!ENTITY e0 "ha">{levels}]>'
    return f'<?xml version="1.0"?>{kind}<html><body><p>&e11;</p></body></html>'.encode()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(ARTICLE)
DROP_DEFLATE = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
RAW_DEFLATE = DROP_DEFLATE.compress(b" " * 50_000_000) + DROP_DEFLATE.flush()

_TABLE: list[tuple[str, Behaviour, set[str]]] = [
    ("fine", answers(), {"document"}),
    # Time
    ("drips-head", drips(b"HTTP/1.1 200 OK\r\nX: ", b"x"), {"timeout"}),
    ("drips-headers", drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), {"timeout"}),
    ("drips-body", drips(OK + b"Content-Length: 100000\r\n\r\n", b"x"), {"timeout"}),
    ("drips-chunks", drips(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), {"timeout"}),
    ("drips-continue", drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), {"timeout"}),
    ("says-nothing", waits(), {"timeout"}),
    ("stops-after-head", waits(OK + b"Content-Length: 1000\r\n\r\n"), {"timeout"}),
    ("stops-in-body", waits(OK + LENGTH + ARTICLE[:100]), {"timeout"}),
    ("stops-before-last-chunk", waits(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(ARTICLE)), {"timeout"}),
    # Size
    ("endless-body", pours(OK + b"\r\n", b"<p>fish</p>" * 1000), {"too_large"}),
    ("endless-chunks", pours(OK + b"Transfer-Encoding: chunked\r\n\r\n", chunk(b"x" * 9000)), {"too_large"}),
    (
        "endless-chunk-extensions",
        pours(OK + b"Transfer-Encoding: chunked\r\n\r\n", chunk(b"x", b";" + b"e" * 9000)),
        {"too_large", "unreachable"},
    ),
    (
        "endless-trailers",
        pours(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 1000),
        {"unreachable", "too_large"},
    ),
    ("endless-headers", pours(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000), {"unreachable", "too_large"}),
    ("endless-header-line", pours(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 9000), {"unreachable", "too_large"}),
    ("endless-continue", pours(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), {"too_large", "timeout"}),
    ("endless-status-line", pours(b"HTTP/1.1 200 ", b"O" * 9000), {"unreachable", "too_large"}),
    (
        "endless-chunk-size",
        pours(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 9000),
        {"unreachable", "too_large"},
    ),
    ("announces-a-terabyte", waits(OK + b"Content-Length: 1000000000000\r\n\r\n"), {"timeout", "too_large"}),
    ("huge-page", answers(ARTICLE * 5000), {"too_large"}),
    # Compression
    ("gzip-bomb", encoded(bomb(), "gzip"), {"too_large"}),
    ("gzip-in-gzip-bomb", encoded(gzip.compress(bomb(), 9), "gzip, gzip"), {"encoding"}),
    ("deflate-bomb", encoded(zlib.compress(b" " * 50_000_000, 9), "deflate"), {"too_large"}),
    ("bare-deflate-bomb", encoded(RAW_DEFLATE, "deflate"), {"too_large"}),
    ("brotli-bomb", encoded(b"\xcf\xff\xff\x7f\xf8'\x00\xe2\xb1@\x20\x00\xfc" * 99, "br"), {"encoding"}),
    ("zstd", encoded(b"\x28\xb5\x2f\xfd" + bytes(100), "zstd"), {"encoding"}),
    ("unknown-encoding", encoded(ARTICLE, "rot13"), {"encoding"}),
    ("many-encodings", encoded(gzip.compress(ARTICLE), ", ".join(["gzip"] * 500)), {"encoding"}),
    (
        "endless-empty-gzip-members",
        pours(OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"") * 400),
        {"too_large"},
    ),
    ("no-gzip-after-all", encoded(ARTICLE, "gzip"), {"encoding"}),
    ("damaged-gzip", encoded(gzip.compress(ARTICLE)[:40] + b"\xff" * 40, "gzip"), {"encoding"}),
    ("cut-gzip", encoded(gzip.compress(ARTICLE)[:-20], "gzip"), {"unreachable"}),
    ("gzip-and-garbage", encoded(gzip.compress(ARTICLE) + b"garbage", "gzip"), {"encoding"}),
    ("gzip-members", encoded(gzip.compress(ARTICLE[:300]) + gzip.compress(ARTICLE[300:]), "gzip"), {"document"}),
    # Lengths and chunks
    ("length-too-long", says(OK + b"Content-Length: 99999\r\n\r\n" + ARTICLE), {"unreachable"}),
    ("length-too-short", says(OK + b"Content-Length: 300\r\n\r\n" + ARTICLE), {"document"}),
    ("length-negative", says(OK + b"Content-Length: -1\r\n\r\n" + ARTICLE), {"unreachable"}),
    ("length-no-number", says(OK + b"Content-Length: many\r\n\r\n" + ARTICLE), {"unreachable"}),
    ("length-twice", says(OK + b"Content-Length: 5\r\nContent-Length: 900\r\n\r\n" + ARTICLE), {"unreachable"}),
    ("length-of-many-digits", says(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + ARTICLE), {"unreachable"}),
    (
        "length-and-chunks",
        says(OK + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunk(ARTICLE) + b"0\r\n\r\n"),
        {"document"},
    ),
    ("unknown-transfer-encoding", says(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n"), {"unreachable"}),
    ("cut-chunks", chunked(chunk(ARTICLE), b"ff\r\nonly this"), {"unreachable"}),
    ("no-last-chunk", chunked(chunk(ARTICLE)), {"unreachable"}),
    ("chunk-size-no-number", chunked(b"fish\r\n" + ARTICLE), {"unreachable"}),
    ("chunk-size-negative", chunked(b"-5\r\n" + ARTICLE), {"unreachable"}),
    ("chunk-size-huge", chunked(b"ffffffffffffffff\r\n" + ARTICLE), {"unreachable"}),
    ("chunk-too-short", chunked(b"5\r\n" + ARTICLE + b"\r\n0\r\n\r\n"), {"unreachable"}),
    # Connections and protocols
    ("hangs-up", says(b""), {"unreachable"}),
    ("resets", resets(), {"unreachable"}),
    ("resets-in-head", resets(b"HTTP/1.1 200 O"), {"unreachable"}),
    ("resets-in-body", resets(OK + LENGTH + ARTICLE[:200]), {"unreachable"}),
    ("hangs-up-in-head", says(b"HTTP/1.1 200 OK\r\nContent-"), {"unreachable"}),
    ("ssh", says(b"SSH-2.0-OpenSSH_9.2\r\n"), {"unreachable"}),
    ("smtp", says(b"220 mail.example.org ESMTP\r\n"), {"unreachable"}),
    ("redis", says(b"-ERR unknown command\r\n"), {"unreachable"}),
    ("only-html", says(ARTICLE), {"unreachable"}),
    ("noise", says(bytes(range(256)) * 20), {"unreachable"}),
    ("http-2-preface", says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" * 9), {"unreachable"}),
    ("http-9-9", says(b"HTTP/9.9 200 OK\r\n\r\n" + ARTICLE), {"document"}),
    ("status-000", says(b"HTTP/1.1 000 Zero\r\nContent-Length: 0\r\n\r\n"), {"unreachable"}),
    ("status-999", answers(ARTICLE, "999 Request denied"), {"http_999"}),
    ("status-in-words", says(b"HTTP/1.1 OK fine\r\n\r\n"), {"unreachable"}),
    ("status-101", says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: fish\r\n\r\n"), {"unreachable"}),
    ("status-204", says(b"HTTP/1.1 204 No Content\r\n\r\n"), {"empty"}),
    ("status-205", answers(b"", "205 Reset Content"), {"empty"}),
    ("status-206", answers(ARTICLE[:200], "206 Partial Content", "Content-Range: bytes 0-199/900"), {"http_206"}),
    ("status-304", answers(b"", "304 Not Modified"), {"http_304"}),
    ("header-without-colon", says(b"HTTP/1.1 200 OK\r\nnonsense\r\n" + LENGTH + ARTICLE), {"unreachable"}),
    ("header-with-nul", says(b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n" + LENGTH + ARTICLE), {"unreachable"}),
    (
        "header-not-ascii",
        says(b"HTTP/1.1 200 OK\r\nX: \xff\xfe\r\nContent-Type: text/html\r\n" + LENGTH + ARTICLE),
        {"document"},
    ),
    (
        "header-folded",
        says(b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Type: text/html\r\n" + LENGTH + ARTICLE),
        {"document"},
    ),
    # Redirects
    ("redirect-loop", redirects("/redirect-loop"), {"redirects"}),
    ("redirect-chain-0", every_redirect, {"redirects"}),
    ("redirect-ping", redirects("/redirect-pong"), {"redirects"}),
    ("redirect-pong", redirects("/redirect-ping"), {"redirects"}),
    ("redirect-nowhere", answers(b"", "302 Found"), {"http_302"}),
    ("redirect-empty", redirects(""), {"redirects"}),
    ("redirect-fine", redirects("/fine"), {"document"}),
    ("redirect-to-file", redirects("file:///etc/passwd"), {"redirects"}),
    ("redirect-to-ftp", redirects("ftp://127.0.0.1/x"), {"redirects"}),
    ("redirect-to-gopher", redirects("gopher://127.0.0.1:6379/_FLUSHALL"), {"redirects"}),
    ("redirect-to-data", redirects("data:text/html,<p>fish</p>"), {"redirects"}),
    ("redirect-to-javascript", redirects("javascript:alert(1)"), {"redirects"}),
    ("redirect-to-metadata", redirects("http://169.254.169.254/latest/meta-data/"), {"forbidden_address"}),
    ("redirect-to-private", redirects("http://10.0.0.1/"), {"forbidden_address"}),
    ("redirect-to-ipv6", redirects("http://[::1]/"), {"forbidden_address"}),
    ("redirect-to-mapped", redirects("http://[::ffff:127.0.0.1]/"), {"forbidden_address"}),
    ("redirect-to-number", redirects("http://2130706433/"), {"redirects"}),
    ("redirect-to-user", redirects("http://fine.example@10.0.0.1/"), {"forbidden_address"}),
    ("redirect-to-port", redirects("http://127.0.0.1:25/"), {"forbidden_address"}),
    (
        "redirect-to-noise",
        says(b"HTTP/1.1 302 Found\r\nLocation: http://\xff\xfe\x80/\r\nContent-Length: 0\r\n\r\n"),
        {"redirects"},
    ),
    ("redirect-to-long", redirects("/" + "a" * 60_000), {"http_404"}),
    ("redirect-twice", redirects("/fine", "302 Found", "Location: http://169.254.169.254/"), {"http_404"}),
    ("redirect-with-password", redirects("http://user:secret@{other}/fine"), {"document"}),
    (
        "redirect-to-other",
        redirects("http://{other}/fine", "307 Temporary Redirect", "Set-Cookie: id=1; Path=/"),
        {"document"},
    ),
    # Cookies and headers of a malicious kind
    ("cookie-of-a-megabyte", answers(ARTICLE, "200 OK", "Set-Cookie: a=" + "b" * 90_000), {"document"}),
    (
        "cookies-by-the-thousand",
        answers(ARTICLE, "200 OK", *(f"Set-Cookie: c{n}=1" for n in range(2000))),
        {"document"},
    ),
    ("cookie-of-another-domain", redirects("/fine", "302 Found", "Set-Cookie: id=1; Domain=example.org"), {"document"}),
    ("cookie-nonsense", answers(ARTICLE, "200 OK", "Set-Cookie: ;;;=;\x7f=;Expires=never;Max-Age=-1e99"), {"document"}),
    ("retry-after-a-year", answers(b"", "503 Service Unavailable", "Retry-After: 31536000"), {"http_503"}),
    ("retry-after-nonsense", answers(b"", "429 Too Many Requests", "Retry-After: " + "9" * 400), {"http_429"}),
    ("etag-of-noise", answers(ARTICLE, "200 OK", 'ETag: "\udcff\udcfe"', "Last-Modified: yesterday"), {"document"}),
    # Pages that lie
    ("error-page", answers(b"<html><title>404 Not Found</title><body><h1>Not Found</h1></body></html>"), {"not_found"}),
    ("empty-page", answers(b""), {"empty"}),
    ("asks-for-a-password", login, {"http_401"}),
    ("forbidden", answers(ARTICLE, "403 Forbidden"), {"http_403"}),
    ("gone", answers(ARTICLE, "410 Gone"), {"http_410"}),
    ("server-error", answers(ARTICLE, "500 Internal Server Error"), {"http_500"}),
    ("image", answers(b"\x89PNG\r\n\x1a\n" + bytes(2000), kind="image/png"), {"content_type"}),
    ("program-as-html", answers(b"\x7fELF" + bytes(range(256)) * 40), {"binary"}),
    ("html-as-image", answers(kind="image/png"), {"content_type"}),
    ("kind-nonsense", answers(kind=";;;===\x01"), {"document"}),
    ("kind-missing", says(b"HTTP/1.1 200 OK\r\n" + LENGTH + ARTICLE), {"document"}),
    ("charset-unknown", answers(kind="text/html; charset=klingon"), {"document"}),
    ("charset-utf-7", answers(ARTICLE + b"+ADw-script+AD4-", kind="text/html; charset=utf-7"), {"document"}),
    ("charset-lies", answers("<p>Größe</p>".encode("latin-1") * 50, kind="text/html; charset=utf-8"), {"document"}),
    ("charset-codec", answers(kind="text/html; charset=zlib_codec"), {"document"}),
    ("entities-laugh", answers(entities(), kind="application/xhtml+xml"), {"document"}),
    (
        "entity-of-a-file",
        answers(
            b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><html><body><p>&e;</p></body></html>',
            kind="application/xhtml+xml",
        ),
        {"document"},
    ),
    (
        "refresh-to-private",
        answers(b'<meta http-equiv="refresh" content="0;url=http://169.254.169.254/">' + ARTICLE),
        {"document"},
    ),
    ("canonical-of-another", answers(b'<link rel="canonical" href="http://169.254.169.254/">' + ARTICLE), {"document"}),
]

SERVED: dict[str, Behaviour] = {name: behaviour for name, behaviour, _ in _TABLE}
BEHAVIOURS: dict[str, frozenset[str]] = {name: frozenset(outcomes) for name, _, outcomes in _TABLE}
# Addresses at which the server speaks TLS, badly; they have ports of their own.
TLS_BEHAVIOURS: dict[str, frozenset[str]] = {
    "no-tls": frozenset({"tls"}),
    "tls-hangs": frozenset({"timeout"}),
    "tls-hangs-up": frozenset({"tls", "unreachable"}),
    "tls-unknown-signer": frozenset({"tls"}),
}


@dataclass
class HostileServer:
    """The addresses of the running server, and what it was sent."""

    site: str
    other: str
    tls: dict[str, str] = field(default_factory=dict)
    heads: list[bytes] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"http://{self.site}/{name}"

    @property
    def manifest(self) -> dict[str, frozenset[str]]:
        """Return the allowed outcomes of each URL."""
        plain = {self.url(name): outcomes for name, outcomes in BEHAVIOURS.items()}
        return plain | {url: TLS_BEHAVIOURS[name] for name, url in self.tls.items()}


@contextmanager
def hostile_server(certificate: tuple[str, str] | None = None) -> Iterator[HostileServer]:
    """Start the server. `certificate` is the files of a certificate that nobody trusts, and of its key."""
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        ports = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64)) for name in
                 ("site", "other", *TLS_BEHAVIOURS)}  # fmt: skip
        at = {name: f"127.0.0.1:{listening.getsockname()[1]}" for name, listening in ports.items()}
        wanted = [name for name in TLS_BEHAVIOURS if name != "tls-unknown-signer" or certificate]
        server = HostileServer(at["site"], at["other"], {name: f"https://{at[name]}/" for name in wanted})
        handlers: dict[str, Callable[[socket.socket], None]] = {
            "site": lambda connection: _serve(connection, server, over),
            "other": lambda connection: _serve(connection, server, over),
            "no-tls": lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "tls-hangs": lambda connection: Visit(connection, "", "", b"", over).wait(),
            "tls-hangs-up": lambda connection: None,
            "tls-unknown-signer": lambda connection: _tls(connection, certificate),
        }
        threads = [
            threading.Thread(target=_accept, args=(ports[name], handler, over)) for name, handler in handlers.items()
        ]
        for thread in threads:
            thread.start()
        try:
            yield server
        finally:
            over.set()
            for thread in threads:
                thread.join()


def _accept(listening: socket.socket, handler: Callable[[socket.socket], None], over: threading.Event) -> None:
    listening.settimeout(0.05)
    visits: list[threading.Thread] = []
    while not over.is_set():
        try:
            connection, _ = listening.accept()
        except TimeoutError:
            continue
        connection.settimeout(5.0)
        visits.append(threading.Thread(target=_visit, args=(connection, handler)))
        visits[-1].start()
    for visit in visits:
        visit.join()


def _visit(connection: socket.socket, handler: Callable[[socket.socket], None]) -> None:
    with connection, contextlib.suppress(OSError):  # clients that hang up are what this is about
        handler(connection)


def _serve(connection: socket.socket, server: HostileServer, over: threading.Event) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            return
        head += piece
    server.heads.append(head)
    path = head.split()[1].decode("ascii", "replace").lstrip("/")
    visit = Visit(connection, server.site, server.other, head, over)
    name = "redirect-chain-0" if path.startswith("redirect-chain-") else path
    SERVED.get(name, answers(b"", "404 Not Found"))(visit)


def _tls(connection: socket.socket, certificate: tuple[str, str] | None) -> None:
    assert certificate is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.wrap_socket(connection, server_side=True).close()
