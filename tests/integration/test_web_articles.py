"""The web and JSON sources, and links, against a real server on the loopback interface."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from llm_engineering.domain.documents import Document, Failure, Item, NotModified, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.ports import KnownProvenance
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.sources import JsonEndpoint, SourceContext, Web
from llm_engineering.infrastructure.sources.context import nothing_known
from llm_engineering.infrastructure.sources.crawl import source_for_link

HTML = "text/html; charset=utf-8"
BODY = (
    "<article><h1>Fish prices</h1>"
    + "<p>The boats came back in the evening, and the prices held. </p>" * 12
    + "</article>"
)


@dataclass
class Site:
    """A server: per path the status, the headers and the body."""

    url: str
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def put(self, path: str, body: str | bytes, status: int = 200, **headers: str) -> str:
        named = {"Content-Type": HTML} | {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = (status, named, body.encode() if isinstance(body, str) else body)
        return self.url + path


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            status, headers, body = site.pages.get(self.path, (404, {}, b""))
            if headers.get("ETag") and headers["ETag"] == self.headers.get("If-None-Match"):
                status, body = 304, b""
            self.send_response(status)
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def context(tmp_path: Path, known: KnownProvenance = nothing_known, **settings: object) -> SourceContext:
    fetching = {"requests_per_second": 1000.0, "retries": 0, "timeout_seconds": 5.0, "parse_timeout_seconds": 10.0}
    fetching["private_hosts"] = ["127.0.0.1"]
    return SourceContext(tmp_path, Fetching(**(fetching | settings)), known)


def read(tmp_path: Path, *urls: str, known: KnownProvenance = nothing_known, **settings: object) -> list[Item]:
    opened = context(tmp_path, known, **settings)
    items = list(Web(urls=urls).open(opened).read())
    opened.close()
    return items


def only(items: list[Item]) -> Item:
    (item,) = items
    return item


def test_an_article_comes_with_what_it_says_of_itself(site: Site, tmp_path: Path) -> None:
    head = (
        '<title>Fish prices | News</title><meta name="author" content="Ann Lee"><link rel="canonical" href="/fish">'
        '<meta property="article:published_time" content="2024-03-05"><meta property="og:site_name" content="News">'
    )
    url = site.put("/fish?page=1", head + BODY, ETag='"1"', Last_Modified="Tue, 05 Mar 2024 10:00:00 GMT")
    document = only(read(tmp_path, url))
    assert isinstance(document, Document)
    assert (document.uri, document.title, document.format) == (url, "Fish prices", "markdown")
    assert dict(document.metadata) == {
        "url": f"{site.url}/fish",
        "hostname": "127.0.0.1",
        "author": "Ann Lee",
        "date": "2024-03-05",
        "site": "News",
    }
    assert document.provenance["etag"] == '"1"'
    assert document.provenance["last_modified"] == "Tue, 05 Mar 2024 10:00:00 GMT"


def test_an_unchanged_article_is_not_modified_even_if_it_claims_another_address(site: Site, tmp_path: Path) -> None:
    site.put("/moved", BODY + '<link rel="canonical" href="/canonical">', ETag='"1"')
    url = site.put("/fish", "", status=301, Location="/moved")
    first = only(read(tmp_path, url))
    assert isinstance(first, Document)
    again = only(read(tmp_path, url, known={first.id: first.provenance}.get))
    assert again == NotModified(url, "web")
    assert again.document_id == first.id


def test_an_article_read_for_somebody_else_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    url = site.put("/fish", BODY, ETag='"1"')
    first = only(read(tmp_path, url))
    assert isinstance(first, Document)
    opened = SourceContext(tmp_path, context(tmp_path).fetching, {first.id: first.provenance}.get, "user-2", "Bea Kim")
    item = only(list(Web(urls=(url,)).open(opened).read()))
    opened.close()
    assert isinstance(item, Document)
    assert item.metadata["author"] == "Bea Kim"


def test_a_page_cannot_pass_itself_off_as_one_of_another_site(site: Site, tmp_path: Path) -> None:
    url = site.put("/fish", '<link rel="canonical" href="https://victim.example/fish">' + BODY)
    document = only(read(tmp_path, url))
    assert isinstance(document, Document)
    assert (document.uri, document.metadata["url"]) == (url, url)


def test_links_lead_from_where_the_page_was_found(site: Site, tmp_path: Path) -> None:
    site.put("/new/fish", BODY + "<p>Read on in <a href='cod'>the report on cod</a>, and then come back here.</p>")
    document = only(read(tmp_path, site.put("/fish", "", status=301, Location="/new/fish")))
    assert isinstance(document, Document)
    assert f"[the report on cod]({site.url}/new/cod)" in document.text


def test_the_same_address_in_two_spellings_is_one_document(site: Site, tmp_path: Path) -> None:
    url = site.put("/fish", BODY)
    items = read(
        tmp_path, url, url + "#comments", url.replace("http:", "HTTP:"), url + "?utm_source=mail", "no url", "no url"
    )
    assert [type(item) for item in items] == [Document, Rejection]


@pytest.mark.parametrize(
    ("body", "status", "headers", "kind", "reason"),
    [
        (BODY, 404, {}, Rejection, "http_404"),
        (BODY, 410, {}, Rejection, "http_410"),
        (BODY, 403, {}, Rejection, "http_403"),
        (BODY, 500, {}, Failure, "http_500"),
        (BODY, 503, {}, Failure, "http_503"),
        (BODY, 302, {"Location": "/page"}, Rejection, "redirects"),
        ("%PDF-1.7", 200, {"Content_Type": "application/pdf"}, Rejection, "truncated"),
        ("a song", 200, {"Content_Type": "audio/mpeg"}, Rejection, "content_type"),
        ("{}", 200, {"Content_Type": "application/json"}, Rejection, "content_type"),
        (b"%PDF-1.7 \x00", 200, {}, Rejection, "binary"),
        (b"\x89PNG\r\n\x1a\n\x00", 200, {"Content_Type": ""}, Rejection, "binary"),
        ("", 200, {}, Rejection, "empty"),
        ("<title>Fish</title><nav>Home</nav>", 200, {}, Rejection, "empty"),
        ("<title>Just a moment...</title><p>Verify you are human by clicking below.", 200, {}, Rejection, "blocked"),
        ("<h1>Fish</h1><p>The first lines.</p><h2>Subscribe to continue reading</h2>", 200, {}, Rejection, "paywall"),
        ("<title>Sign in</title><p>Password: <input type=password>", 200, {}, Rejection, "blocked"),
        ("<title>Before you continue</title><p>Cookies?<button>Accept all</button>", 200, {}, Rejection, "blocked"),
        ("<title>We'll be back soon!</title><p>Sorry for the inconvenience.", 200, {}, Rejection, "blocked"),
        ("<h1>fish.example</h1><p>This domain is for sale.", 200, {}, Rejection, "blocked"),
        ("<title>Page not found</title><p>The page you requested does not exist.", 200, {}, Rejection, "not_found"),
        ("x" * 5000, 200, {}, Rejection, "too_large"),
        ("<a " * 300_000, 200, {"X_Limits": "big"}, Rejection, "unparsable"),
    ],
)  # fmt: skip
def test_what_is_no_article_says_why(
    site: Site, tmp_path: Path, body: str | bytes, status: int, headers: dict[str, str], kind: type, reason: str
) -> None:
    limits = (
        {"max_bytes": 2_000_000, "parse_timeout_seconds": 1.0} if headers.pop("X_Limits", "") else {"max_bytes": 4000}
    )
    url = site.put("/page", body, status, **headers)
    good = site.put("/good", BODY)
    item, other = read(tmp_path, url, good, **limits)
    assert isinstance(item, kind)
    assert (item.reason, item.uri) == (reason, url)
    assert isinstance(other, Document)


@pytest.mark.parametrize(
    ("url", "kind", "reason"),
    [
        ("ftp://127.0.0.1/a", Rejection, "bad_url"),
        ("not a url", Rejection, "bad_url"),
        ("http://127.0.0.1:1/", Rejection, "forbidden_address"),
        ("http://127.0.0.1:1024/", Failure, "unreachable"),
        ("https://nobody.invalid/", Failure, "unreachable"),
    ],
)
def test_addresses_that_cannot_be_fetched_say_why(tmp_path: Path, url: str, kind: type, reason: str) -> None:
    item = only(read(tmp_path, url))
    assert isinstance(item, kind)
    assert item.reason == reason


def test_robots_txt_and_its_absence_decide(site: Site, tmp_path: Path) -> None:
    site.put("/robots.txt", "User-agent: llm-engineering\nDisallow: /private/\n", Content_Type="text/plain")
    private, public = site.put("/private/fish", BODY), site.put("/fish", BODY)
    refused, document = read(tmp_path, private, public)
    assert isinstance(refused, Rejection)
    assert refused.reason == "robots"
    assert isinstance(document, Document)
    assert isinstance(only(read(tmp_path, private, respect_robots=False)), Document)


@pytest.mark.parametrize(
    ("path", "type_", "text_format", "title"),
    [
        ("/notes.txt", "text/plain", "text", "notes.txt"),
        ("/readme.md", "text/plain; charset=utf-8", "markdown", "Fish"),
        ("/readme", "text/markdown", "markdown", "Fish"),
    ],
)
def test_plain_text_and_markdown_are_read_too(
    site: Site, tmp_path: Path, path: str, type_: str, text_format: str, title: str
) -> None:
    document = only(
        read(tmp_path, site.put(path, "# Fish\n\nprices" if title == "Fish" else "fish", Content_Type=type_))
    )
    assert isinstance(document, Document)
    assert (document.format, document.title) == (text_format, title)


def test_a_page_in_a_legacy_charset_is_read(site: Site, tmp_path: Path) -> None:
    html = f"<meta charset=windows-1251><title>Рыба</title>{BODY.replace('held', 'держались')}"
    document = only(read(tmp_path, site.put("/fish", html.encode("cp1251"), Content_Type="text/html")))
    assert isinstance(document, Document)
    assert document.title in ("Рыба", "Fish prices")
    assert "the prices держались" in document.text


def test_an_endpoint_is_read_like_a_file(site: Site, tmp_path: Path) -> None:
    url = site.put("/fish.json", json.dumps([{"id": 1, "text": "cod"}]), Content_Type="application/json")
    opened = context(tmp_path)
    document = only(list(JsonEndpoint(url=url, template="{text}").open(opened).read()))
    opened.close()
    assert isinstance(document, Document)
    assert (document.uri, document.key, document.text) == (url, "1", "cod")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [("<!doctype html>", 200, "invalid_json"), ("", 500, "http_500"), ("{}", 200, "wrong_shape"), ("", 200, "empty")],
)
def test_an_endpoint_that_cannot_be_read_is_an_error_of_the_source(
    site: Site, tmp_path: Path, body: str, status: int, reason: str
) -> None:
    opened = context(tmp_path)
    with pytest.raises(SourceError) as raised:
        list(JsonEndpoint(url=site.put("/fish.json", body, status), template="{text}").open(opened).read())
    opened.close()
    assert raised.value.reason == reason


def test_a_link_is_crawled_under_its_name(site: Site, tmp_path: Path) -> None:
    url = site.put("/fish", BODY)
    opened = context(tmp_path)
    item = only(list(source_for_link(url, name=url).open(opened).read()))
    opened.close()
    assert isinstance(item, Document)
    assert item.source == url


def test_sources_of_one_context_share_their_manners(site: Site, tmp_path: Path) -> None:
    one, two = site.put("/one", BODY), site.put("/two", BODY)
    opened = context(tmp_path)
    for url in (one, two):
        list(Web(urls=(url,), name=url).open(opened).read())
    opened.close()
    assert [path for path, _ in site.asked] == ["/robots.txt", "/one", "/two"]
