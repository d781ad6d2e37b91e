"""What every source promises. A new kind adds a builder here and passes the same tests."""

import json
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import source_files
from pydantic import TypeAdapter, ValidationError

from llm_engineering.domain.documents import Document, Failure, Item, NotModified, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.ports import Source
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.sources import (
    Feed,
    Files,
    Git,
    JsonEndpoint,
    Mailbox,
    Memory,
    Objects,
    Pdf,
    PythonLoader,
    Site,
    Sitemap,
    SourceContext,
    SourceSpec,
    Sql,
    Table,
    Web,
)

PAGE = "<html><head><title>{0}</title></head><body><article><h1>{0}</h1><p>All about {0}.</p></article></body></html>"
LINKS = "<html><head><meta name=robots content=noindex></head><body>{}</body></html>"


def listings(address: str) -> dict[str, tuple[str, str]]:
    """Return what else the site serves: path → media type and content, with links to two good pages and a bad one."""
    urls = [f"{address}/{name}" for name in ("cod", "none", "eel")]
    entries = "".join(f"<item><title>{url[-3:]}</title><link>{url}</link></item>" for url in urls)
    return {
        "/sitemap.xml": (
            "application/xml",
            f"<urlset>{''.join(f'<url><loc>{url}</loc></url>' for url in urls)}</urlset>",
        ),
        "/feed.xml": ("application/rss+xml", f"<rss><channel><title>Fish</title>{entries}</channel></rss>"),
        "/": ("text/html", LINKS.format("".join(f"<a href='{url}'>a fish</a>" for url in urls))),
    }


@dataclass(frozen=True)
class Case:
    """A source with two good items and one bad one, and the same source in a state in which nothing can be read."""

    working: SourceSpec
    reason_of_bad_item: str
    broken: SourceSpec | None = None
    reason_when_broken: str = ""


@pytest.fixture
def site() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served = listings(f"http://{self.headers['Host']}")
            served |= {path: ("text/html", PAGE.format(path[1:])) for path in ("/cod", "/eel")}
            media_type, content = served.get(self.path, ("text/html", ""))
            self.send_response(200 if content else 404)
            self.send_header("Content-Type", f"{media_type}; charset=utf-8")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def write_files(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "cod.md").write_text("# Cod\n\nAll about cod.", encoding="utf-8")
    (folder / "eel.py").write_text("EEL = 1\n", encoding="utf-8")
    (folder / "photo.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    return folder


def files_case(tmp_path: Path, site: str) -> Case:
    return Case(Files(root=write_files(tmp_path / "f")), "binary", Files(root=tmp_path / "none"), "missing")


def git_case(tmp_path: Path, site: str) -> Case:
    folder = write_files(tmp_path / "g")
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "fish"]):
        identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)
    (tmp_path / "plain").mkdir()
    return Case(Git(url=str(folder)), "binary", Git(url=str(tmp_path / "plain")), "not_a_repository")


def json_case(tmp_path: Path, site: str) -> Case:
    good, bad = tmp_path / "fish.json", tmp_path / "bad.json"
    good.write_text(json.dumps([{"name": "cod"}, {"weight": 3}, {"name": "eel"}]), encoding="utf-8")
    bad.write_text("[{]", encoding="utf-8")
    return Case(
        JsonEndpoint(url=str(good), template="A {name}"),
        "missing_field",
        JsonEndpoint(url=str(bad), template="A {name}"),
        "invalid_json",
    )


def web_case(tmp_path: Path, site: str) -> Case:
    return Case(Web(urls=(f"{site}/cod", f"{site}/none", f"{site}/eel")), "http_404")


def memory_case(tmp_path: Path, site: str) -> Case:
    return Case(
        Memory(documents={"memory:///cod.md": "# Cod", "memory:///none.md": " ", "memory:///eel.md": "# Eel"}), "empty"
    )


def pdf_case(tmp_path: Path, site: str) -> Case:
    source_files.needs_pdf()
    folder = tmp_path / "pdf"
    folder.mkdir()
    (folder / "fish.pdf").write_bytes(source_files.pdf([("All about cod.", 11)], [("All about eel.", 11)]))
    (folder / "secret.pdf").write_bytes(source_files.pdf([("Hidden.", 11)], encrypted=True))
    return Case(Pdf(root=folder), "encrypted", Pdf(root=tmp_path / "none"), "missing")


def table_case(tmp_path: Path, site: str) -> Case:
    path, wrong = tmp_path / "fish.csv", tmp_path / "wrong.csv"
    path.write_text("name,weight\ncod,3\nray,1,too many\neel,2\n", encoding="utf-8")
    wrong.write_text("name,name\ncod,3\n", encoding="utf-8")
    template = "A {{ name }} of {{ weight }} kg"
    return Case(Table(url=str(path), template=template), "ragged", Table(url=str(wrong)), "wrong_shape")


def sql_case(tmp_path: Path, site: str) -> Case:
    path = tmp_path / "fish.db"
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE fish (id INTEGER, name TEXT)")
        base.executemany("INSERT INTO fish VALUES (?, ?)", [(1, "cod"), (2, ""), (3, "eel")])
    base.close()
    url = f"sqlite:///{path}"
    query = "SELECT id, name FROM fish ORDER BY id"
    return Case(
        Sql(url=url, query=query, template="{{ name }}"), "empty", Sql(url=url, query="SELECT x FROM none"), "sql_error"
    )


def mailbox_case(tmp_path: Path, site: str) -> Case:
    path, wrong = tmp_path / "fish.mbox", tmp_path / "wrong.mbox"
    messages = (
        source_files.mail(name, f"All about {name}." if name != "ray" else "", i)
        for i, name in enumerate(source_files.FISH)
    )
    path.write_bytes(source_files.mbox(*messages))
    wrong.write_text("no mailbox")
    return Case(Mailbox(path=path), "empty", Mailbox(path=wrong), "unparsable")


def objects_case(tmp_path: Path, site: str) -> Case:
    """fsspec's own store in memory stands in for S3: the same calls, and no server."""
    import fsspec

    store = fsspec.filesystem("memory")
    prefix = f"/{tmp_path.name}"
    store.pipe(
        {f"{prefix}/cod.md": b"# Cod\n\nAll about cod.", f"{prefix}/in/eel.md": b"# Eel", f"{prefix}/x.md": b"\0\1"}
    )
    return Case(Objects(url=f"memory:/{prefix}"), "binary", Objects(url="memory://nothing"), "empty_source")


def sitemap_case(tmp_path: Path, site: str) -> Case:
    return Case(Sitemap(url=f"{site}/sitemap.xml"), "http_404", Sitemap(url=f"{site}/cod"), "unparsable")


def site_case(tmp_path: Path, site: str) -> Case:
    return Case(Site(url=f"{site}/"), "http_404", Site(url=f"{site}/none"), "http_404")


def feed_case(tmp_path: Path, site: str) -> Case:
    return Case(Feed(url=f"{site}/feed.xml"), "http_404", Feed(url=f"{site}/cod"), "unparsable")


def python_case(tmp_path: Path, site: str) -> Case:
    return Case(
        PythonLoader(function="source_files:fish"), "empty", PythonLoader(function="source_files:no_fish"), "loader"
    )


CASES: list[Callable[[Path, str], Case]] = [
    *(files_case, pdf_case, git_case, json_case, table_case, sql_case, web_case, sitemap_case, site_case, feed_case),
    *(mailbox_case, objects_case, python_case, memory_case),
]


@pytest.fixture(params=CASES, ids=lambda case: case.__name__.removesuffix("_case"))
def case(request: pytest.FixtureRequest, tmp_path: Path, site: str) -> Case:
    return request.param(tmp_path, site)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[SourceContext]:
    fetching = Fetching(requests_per_second=1000.0, retries=0, timeout_seconds=5.0, private_hosts=("127.0.0.1",))
    context = SourceContext(tmp_path / "home", fetching, user_id="user-1", author="Ann Lee")
    yield context
    context.close()


def identity(item: Item) -> str:
    return item.id if isinstance(item, Document) else item.document_id


def test_a_source_yields_documents_and_says_what_was_wrong_with_the_rest(case: Case, context: SourceContext) -> None:
    items = list(case.working.open(context).read())
    documents = [item for item in items if isinstance(item, Document)]
    problems = [item for item in items if isinstance(item, Rejection | Failure)]
    assert len(documents) == 2
    assert [problem.reason for problem in problems] == [case.reason_of_bad_item]
    assert all(problem.detail for problem in problems)


def test_no_two_items_have_the_same_identity(case: Case, context: SourceContext) -> None:
    identities = [identity(item) for item in case.working.open(context).read()]
    assert len(set(identities)) == len(identities)


def test_two_reads_are_equal(case: Case, context: SourceContext) -> None:
    source = case.working.open(context)
    assert list(source.read()) == list(source.read())


def test_items_carry_the_source_and_whose_they_are(case: Case, context: SourceContext) -> None:
    source: Source = case.working.open(context)
    assert (source.name, source.kind) == (case.working.name, case.working.kind)
    for item in source.read():
        assert item.source == source.name
        if isinstance(item, Document):
            assert (item.user_id, item.metadata["author"]) == ("user-1", "Ann Lee")
            assert item.text.strip()
            assert item.title
            json.dumps([dict(item.metadata), dict(item.provenance), item.text]).encode()


def test_what_is_known_to_be_unchanged_is_not_read_again(case: Case, context: SourceContext) -> None:
    first = list(case.working.open(context).read())
    stored = {item.id: item.provenance for item in first if isinstance(item, Document)}
    again = SourceContext(context.home, context.fetching, stored.get, "user-1", "Ann Lee")
    second = list(case.working.open(again).read())
    again.close()
    assert list(map(identity, second)) == list(map(identity, first))
    if case.working.kind in (
        "files",
        "git",
        "pdf",
        "objects",
    ):  # the others need a server that speaks of ETags, or have nothing to save
        assert not [item for item in second if isinstance(item, Document)]
        assert len([item for item in second if isinstance(item, NotModified)]) == 2


def test_another_author_is_another_document(case: Case, context: SourceContext) -> None:
    stored = {item.id: item.provenance for item in case.working.open(context).read() if isinstance(item, Document)}
    other = SourceContext(context.home, context.fetching, stored.get, "user-2", "Bea Kim")
    documents = [item for item in case.working.open(other).read() if isinstance(item, Document)]
    other.close()
    assert [document.user_id for document in documents] == ["user-2", "user-2"]


def test_a_source_that_cannot_be_read_says_why(case: Case, context: SourceContext) -> None:
    if case.broken is None:
        assert case.working.kind in ("web", "memory")  # all that can go wrong there concerns a single item
        return
    with pytest.raises(SourceError) as raised:
        list(case.broken.open(context).read())
    assert raised.value.reason == case.reason_when_broken
    assert len(str(raised.value)) > 20


def test_a_spec_survives_its_own_yaml_and_refuses_typing_errors(case: Case) -> None:
    adapter = TypeAdapter[SourceSpec](SourceSpec)
    assert adapter.validate_python(case.working.model_dump(mode="json")) == case.working
    with pytest.raises(ValidationError, match="inclde"):
        adapter.validate_python({**case.working.model_dump(), "inclde": ["*"]})


def test_every_setting_of_a_spec_is_described(case: Case) -> None:
    for name, field in type(case.working).model_fields.items():
        assert field.description or name == "kind"
