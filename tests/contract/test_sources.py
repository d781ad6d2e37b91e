"""What every source promises. A new kind adds a builder here and passes the same tests."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from llm_engineering.domain.documents import Document, Failure, Item, NotModified, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.ports import Source
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.sources import (
    Files,
    Git,
    JsonEndpoint,
    Memory,
    SourceContext,
    SourceSpec,
    Web,
)

PAGE = "<html><head><title>{0}</title></head><body><article><h1>{0}</h1><p>All about {0}.</p></article></body></html>"


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
            known = self.path in ("/cod", "/eel")
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(PAGE.format(self.path[1:]).encode() if known else b"")

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


CASES: list[Callable[[Path, str], Case]] = [files_case, git_case, json_case, web_case, memory_case]


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
    if case.working.kind in ("files", "git"):  # the others need a server that speaks of ETags, or have nothing to save
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
