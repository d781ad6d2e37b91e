import gzip
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from llm_engineering.application.ingestion import NamedSource, ingest
from llm_engineering.domain.documents import Document, Item, NotModified, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.observability.progress import bar
from llm_engineering.infrastructure.parsers.formats import Unreadable
from llm_engineering.infrastructure.parsers.formats.feeds import read_feed
from llm_engineering.infrastructure.parsers.formats.listings import read_sitemap
from llm_engineering.infrastructure.sources import Feed, Site, Sitemap, SourceContext, SourceSpec, Web
from llm_engineering.infrastructure.warehouse import open_warehouse

ARTICLE = (
    "<html><head>{head}</head><body><article><h1>{name}</h1><p>All about {name}.</p></article>{links}</body></html>"
)


class Host:
    """A site of the test: path → media type, content; what is asked is remembered."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, bytes] | int] = {}
        self.moved: dict[str, str] = {}
        self.asked: list[str] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append(self.path)
                found = host.pages.get(self.path, 404)
                status = found if isinstance(found, int) else 200
                self.send_response(302 if self.path in host.moved else status)
                if self.path in host.moved:
                    self.send_header("Location", host.moved[self.path])
                if not isinstance(found, int):
                    self.send_header("Content-Type", found[0])
                self.end_headers()
                self.wfile.write(b"" if isinstance(found, int) else found[1])

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def page(self, path: str, *links: str, head: str = "") -> None:
        anchors = "".join(f'<a href="{link}">a link</a>' for link in links)
        html = ARTICLE.format(name=path.strip("/") or "home", links=anchors, head=head)
        self.pages[path] = ("text/html", html.encode())

    def sitemap(self, path: str, *pages: str, index: bool = False, lastmod: str = "") -> None:
        tag, outer = ("sitemap", "sitemapindex") if index else ("url", "urlset")
        changed = f"<lastmod>{lastmod}</lastmod>" if lastmod else ""
        inner = "".join(
            f"<{tag}><loc>{page if '://' in page else self.url + page}</loc>{changed}</{tag}>" for page in pages
        )
        self.pages[path] = ("application/xml", f"<?xml version='1.0'?><{outer}>{inner}</{outer}>".encode())


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.server.shutdown()
    host.thread.join()
    host.server.server_close()


@pytest.fixture
def context(tmp_path: Path) -> Iterator[SourceContext]:
    fetching = Fetching(requests_per_second=1000.0, retries=0, timeout_seconds=5.0, private_hosts=("127.0.0.1",))
    context = SourceContext(tmp_path / "home", fetching)
    yield context
    context.close()


def read(spec: SourceSpec, context: SourceContext) -> list[Item]:
    return list(spec.open(context).read())


def paths(host: Host, items: list[Item]) -> list[str]:
    return [item.uri.removeprefix(host.url) for item in items if isinstance(item, Document)]


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejection)]


def test_a_loop_of_sitemaps_ends_and_their_pages_are_read_once(host: Host, context: SourceContext) -> None:
    host.sitemap("/sitemap.xml", "/b.xml", "/sitemap.xml", index=True)
    host.sitemap("/b.xml", "/sitemap.xml", "/c.xml", "/b.xml", index=True)
    host.sitemap("/c.xml", "/cod", "/cod#top", "/eel?utm_source=x", "/eel")
    host.page("/cod")
    host.page("/eel")
    assert paths(host, read(Sitemap(url=f"{host.url}/sitemap.xml"), context)) == ["/cod", "/eel"]
    assert sorted(host.asked) == ["/b.xml", "/c.xml", "/cod", "/eel", "/robots.txt", "/sitemap.xml"]


def test_sitemaps_within_sitemaps_end_at_the_depth(host: Host, context: SourceContext) -> None:
    for number in range(10):
        host.sitemap(f"/{number}.xml", f"/{number + 1}.xml", index=True)
    with pytest.raises(SourceError) as raised:
        read(Sitemap(url=f"{host.url}/0.xml", max_depth=2), context)
    assert raised.value.reason == "empty_source"
    assert "/3.xml" not in host.asked


def test_a_site_names_its_sitemaps_in_robots_txt_and_they_may_be_packed(host: Host, context: SourceContext) -> None:
    host.pages["/robots.txt"] = ("text/plain", f"User-agent: *\nDisallow: /no\nSitemap: {host.url}/all.xml.gz".encode())
    host.sitemap("/all.xml", "/cod", "/no/eel", "http://elsewhere.example/x")
    host.pages["/all.xml.gz"] = ("application/gzip", gzip.compress(host.pages.pop("/all.xml")[1]))  # type: ignore[index]
    host.page("/cod")
    items = read(Sitemap(url=host.url), context)
    assert paths(host, items) == ["/cod"]
    assert reasons(items) == ["robots", "outside"]


def test_a_page_whose_lastmod_is_known_is_not_fetched_again(host: Host, context: SourceContext) -> None:
    host.sitemap("/sitemap.xml", "/cod", lastmod="2024-01-01")
    host.page("/cod")
    spec = Sitemap(url=f"{host.url}/sitemap.xml")
    stored = {item.id: item.provenance for item in read(spec, context) if isinstance(item, Document)}
    host.asked.clear()
    assert [type(item) for item in read(spec, replace(context, known=stored.get))] == [NotModified]
    assert "/cod" not in host.asked
    host.sitemap("/sitemap.xml", "/cod", lastmod="2024-02-02")
    assert paths(host, read(spec, replace(context, known=stored.get))) == ["/cod"]


def test_a_part_of_the_sitemaps_that_cannot_be_read_makes_the_list_incomplete(
    host: Host, context: SourceContext
) -> None:
    host.sitemap("/sitemap.xml", "/a.xml", "/b.xml", index=True)
    host.sitemap("/a.xml", "/cod")
    host.pages["/b.xml"] = 503
    host.page("/cod")
    items: list[Item] = []
    with pytest.raises(SourceError) as raised:
        items.extend(Sitemap(url=f"{host.url}/sitemap.xml").open(context).read())
    assert raised.value.reason == "incomplete"  # so nothing is deleted
    assert paths(host, items) == ["/cod"]


def test_xml_that_means_harm_is_no_sitemap(host: Host, context: SourceContext) -> None:
    laughs = b'<!DOCTYPE d [<!ENTITY a "http://x/">]><urlset><url><loc>&a;</loc></url></urlset>'
    host.pages["/sitemap.xml"] = ("application/xml", laughs)
    with pytest.raises(SourceError, match="entities"):
        read(Sitemap(url=f"{host.url}/sitemap.xml"), context)


def test_a_site_is_read_along_its_links_within_the_path(host: Host, context: SourceContext) -> None:
    host.page("/docs/", "cod.html", "/docs/eel", "/other", "http://elsewhere.example/", "cod.html#x", "a.png", "?q=1")
    host.page("/docs/cod.html", "/docs/", "deep/ray", "/docs/gone")
    host.page("/docs/eel", "/docs/hidden", head='<meta name="robots" content="nofollow">')
    host.page("/docs/deep/ray", head='<meta name="robots" content="noindex">')
    items = read(Site(url=f"{host.url}/docs/"), context)
    assert paths(host, items) == ["/docs/", "/docs/cod.html", "/docs/eel"]
    assert reasons(items) == ["http_404"]
    assert "/docs/deep/ray" in host.asked
    assert not {"/other", "/docs/hidden", "/docs/a.png", "/docs/?q=1"} & set(host.asked)


def test_blanks_and_line_ends_in_links_are_read_as_browsers_do(host: Host, context: SourceContext) -> None:
    host.page("/docs/", "two words.html", "\n/docs/\ncod.html ")
    host.page("/docs/two%20words.html")
    host.page("/docs/cod.html")
    assert paths(host, read(Site(url=f"{host.url}/docs/"), context))[1:] == ["/docs/two%20words.html", "/docs/cod.html"]
    host.sitemap("/sitemap.xml", "/docs/two words.html")
    assert paths(host, read(Sitemap(url=f"{host.url}/sitemap.xml"), context)) == ["/docs/two%20words.html"]


def test_depth_pages_and_endless_links_are_bounded(host: Host, context: SourceContext) -> None:
    for number in range(30):
        host.page(f"/{number}", f"/{number + 1}")
    assert len(read(Site(url=f"{host.url}/0", max_depth=3), context)) == 4
    assert len(read(Site(url=f"{host.url}/0", max_pages=7), context)) == 7


def test_a_page_is_known_under_its_canonical_address_once(host: Host, context: SourceContext) -> None:
    canonical = '<link rel="canonical" href="/cod">'
    host.page("/", "/cod-print", "/cod", "/loop-a")
    host.page("/cod-print", head=canonical)
    host.page("/cod", head=canonical)
    host.page("/loop-a", "/loop-b", head='<link rel="canonical" href="/loop-b">')
    host.page("/loop-b", head='<link rel="canonical" href="/loop-a">')
    found = paths(host, read(Site(url=f"{host.url}/"), context))
    assert len(found) == len(set(found))
    assert {"/", "/cod"} <= set(found)
    assert {"/loop-a", "/loop-b"} & set(found)


def test_redirects_out_of_the_part_are_rejected_and_those_to_known_pages_left_out(
    host: Host, context: SourceContext
) -> None:
    host.page("/in/", "cod", "old-cod", "away")
    host.page("/in/cod")
    host.page("/out")
    host.moved = {"/in/old-cod": "/in/cod", "/in/away": "/out"}
    items = read(Site(url=f"{host.url}/in/"), context)
    assert paths(host, items) == ["/in/", "/in/cod"]
    assert reasons(items) == ["outside"]


def test_a_page_that_fails_may_have_hidden_others_so_nothing_counts_as_gone(host: Host, context: SourceContext) -> None:
    host.page("/", "/cod", "/eel")
    host.page("/cod")
    host.pages["/eel"] = 503
    with pytest.raises(SourceError) as raised:
        read(Site(url=f"{host.url}/"), context)
    assert raised.value.reason == "incomplete"


def test_robots_txt_holds_for_sites(host: Host, context: SourceContext) -> None:
    host.pages["/robots.txt"] = ("text/plain", b"User-agent: *\nDisallow: /private")
    host.page("/", "/private/cod", "/eel")
    host.page("/eel")
    items = read(Site(url=f"{host.url}/"), context)
    assert paths(host, items) == ["/", "/eel"]
    assert reasons(items) == ["robots"]
    assert "/private/cod" not in host.asked


ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Fish</title>
<entry><id>urn:1</id><title>Cod</title><link href="/cod"/><updated>2024-01-02T03:04:05Z</updated>
<author><name>Ann</name></author><content type="html">&lt;p&gt;A big fish.&lt;/p&gt;</content></entry>
<entry><id>urn:2</id><title>Note</title><content type="xhtml"><div>No page, <b>only</b> text.</div></content></entry>
<entry><id>urn:3</id><title>Nothing</title></entry></feed>"""


def test_a_feed_is_read_with_its_own_text_or_the_articles(host: Host, context: SourceContext) -> None:
    host.pages["/feed"] = ("application/atom+xml", ATOM.encode())
    host.page("/cod")
    own = read(Feed(url=f"{host.url}/feed", full=False), context)
    assert [item.text for item in own if isinstance(item, Document)] == ["A big fish.", "No page, only text."]
    assert reasons(own) == ["empty"]
    first = next(item for item in own if isinstance(item, Document))
    assert (first.metadata["date"], first.metadata["author"], first.metadata["feed"]) == ("2024-01-02", "Ann", "Fish")
    full = read(Feed(url=f"{host.url}/feed"), context)
    assert "All about cod" in next(item.text for item in full if isinstance(item, Document))


def test_feeds_are_read_as_they_are_found() -> None:
    (entry,) = read_feed(
        b'<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://example.org/blog/"><title>Fish</title><entry>'
        b'<id>tag:1</id><title type="html">The &lt;b&gt;cod&lt;/b&gt; &amp;amp; the &lt;eel&gt;</title>'
        b'<link href="cod"/><published>2024-05-01T00:00:00Z</published>'
        b"<author><name>Ann</name><email>ann@example.org</email><uri>https://example.org</uri></author>"
        b'<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Big <b>fish</b>.</div></content>'
        b"</entry></feed>"
    )["entries"]
    assert entry | {"html": ""} == {
        "id": "tag:1",
        "link": "https://example.org/blog/cod",
        "title": "The cod & the <eel>",
        "author": "Ann",
        "date": "2024-05-01",
        "html": "",
    }
    assert entry["html"].endswith(">Big <b>fish</b>.</div>")
    feed = read_feed(
        b'<rss xmlns:media="M"><channel><title>Fish&nbsp;news</title><item><media:title>a.jpg</media:title>'
        b"<title><![CDATA[<em>Cod</em>]]> caf&eacute;</title><link>/cod</link>"
        b"<description>A &lt; big <b>fish</b> of&nbsp;seas</description></item>"
        b"<item><link>/?a=1&amp;b=2&c=3</link><guid><![CDATA[a&b]]></guid>"
        b"<description>R & D &lt;p&gt;Cold&nbsp;seas &amp;amp; &unknown;&#8212;&lt;/p&gt;</description>"
        b"</item></channel></rss>"
    )
    cod, seas = feed["entries"]
    assert (feed["title"], cod["title"], cod["link"]) == ("Fish news", "Cod caf\u00e9", "/cod")
    assert (seas["link"], seas["id"]) == ("/?a=1&b=2&c=3", "a&b")
    assert cod["html"] == 'A &lt; big <b xmlns:media="M">fish</b> of\u00a0seas'
    assert seas["html"] == "R & D <p>Cold\u00a0seas &amp; &unknown;\u2014</p>"
    for other in (b"<!DOCTYPE html><html></html>", b'{"version": "https://jsonfeed.org/version/1"}'):
        with pytest.raises(Unreadable, match="RSS or Atom feed itself"):
            read_feed(other)


def test_what_a_feed_has_dropped_is_kept_unless_it_is_not_wanted(
    host: Host, context: SourceContext, tmp_path: Path
) -> None:
    def feed(*names: str) -> tuple[str, bytes]:
        items = "".join(
            f"<item><title>{n}</title><link>/{n}</link><description>{n} fish</description></item>" for n in names
        )
        return "application/rss+xml", f"<rss><channel>{items}</channel></rss>".encode()

    warehouse = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    for keep, left in ((True, 3), (False, 2)):
        host.pages["/feed"] = feed("cod", "eel")
        spec = Feed(url=f"{host.url}/feed", full=False, keep=keep, name="fish")
        for names in (("cod", "eel"), ("eel", "ray")):
            host.pages["/feed"] = feed(*names)
            run = warehouse.start_run("test", {})
            ingest([NamedSource("fish", "feed", partial(spec.open, context))], warehouse, run, bar)
        assert len(warehouse.states("fish")) == left
    kind, whole = feed("eel", "ray")
    host.pages["/feed"] = (
        kind,
        whole[: whole.index(b"</item>")],
    )  # the end is missing: who knows what else stood there
    ingest([NamedSource("fish", "feed", partial(spec.open, context))], warehouse, run, bar)
    assert len(warehouse.states("fish")) == left
    warehouse.close()


def test_a_pdf_on_the_web_is_read_like_one_on_disk(host: Host, context: SourceContext) -> None:
    import source_files

    source_files.needs_pdf()
    host.pages["/fish"] = ("application/pdf", source_files.pdf([("All about cod.", 11)], title="Cod"))
    host.pages["/cut.pdf"] = ("application/octet-stream", b"%PDF-1.4 cut o")
    good, bad = read(Web(urls=(f"{host.url}/fish", f"{host.url}/cut.pdf")), context)
    assert isinstance(good, Document)
    assert (good.title, good.text, good.metadata["url"]) == ("Cod", "All about cod.", f"{host.url}/fish")
    assert reasons([bad]) == ["truncated"]


def test_single_texts_of_a_feed_in_another_encoding_than_it_says_are_read() -> None:
    text = "<rss><channel><item><title>{}</title><link>http://a/1</link></item></channel></rss>"
    mixed = text.encode().replace(b"{}", "Café – ".encode() + "été".encode("cp1252"))
    (entry,) = read_feed(mixed)["entries"]
    assert entry["title"] == "Café – été"
    (entry,) = read_feed(
        b'<?xml version="1.0" encoding="iso-8859-2"?>' + text.replace("{}", "łódź").encode("iso-8859-2")
    )["entries"]
    assert entry["title"] == "łódź"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_sitemap_may_be_in_any_encoding_of_unicode(encoding: str, packed: bool) -> None:
    declared = encoding.removesuffix("-sig").removesuffix("-le").removesuffix("-be")
    xml = f'<?xml version="1.0" encoding="{declared}"?>\n<urlset><url><loc>http://a/größe</loc></url></urlset>'
    raw = xml.encode(encoding)
    assert read_sitemap(gzip.compress(raw) if packed else raw)["pages"] == [["http://a/größe", ""]]
    if not encoding.endswith(("-le", "-be")):
        plain = read_sitemap("http://a/größe\r\nhttp://a/b\r\n".encode(encoding))
        assert plain["pages"] == [["http://a/größe", ""], ["http://a/b", ""]]


def test_an_entry_without_a_link_has_the_address_of_its_permalink() -> None:
    guids = "<guid>http://a/cod</guid>", '<guid isPermaLink="false">http://a/eel</guid>', "<guid>7</guid>"
    items = "".join(f"<item>{guid}</item>" for guid in guids)
    feed = f"<rss><channel>{items}</channel></rss>"
    assert [entry["link"] for entry in read_feed(feed.encode())["entries"]] == ["http://a/cod", "", ""]


def test_a_sitemap_with_signs_that_should_have_been_escaped_is_read_and_one_that_is_cut_is_not() -> None:
    content = (
        b"<urlset><url><loc>http://a/x?a=1&b=2</loc></url><url><loc>http://a/?a=1&amp;c=&#50;</loc></url></urlset>"
    )
    assert [address for address, _ in read_sitemap(content)["pages"]] == ["http://a/x?a=1&b=2", "http://a/?a=1&c=2"]
    with pytest.raises(Unreadable, match="no XML"):
        read_sitemap(content[:-9])
