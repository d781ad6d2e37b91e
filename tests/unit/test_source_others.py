import builtins
import json
from pathlib import Path
from typing import Any, get_args

import fsspec
import pytest
import source_files
from command_lines import tool
from pydantic import BaseModel, TypeAdapter, ValidationError

from llm_engineering.application.chunking import PythonChunker
from llm_engineering.application.cleaning import Cleaning, PythonCleaner
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.documents import Document, Failure, Item, NotModified, Rejection
from llm_engineering.domain.errors import SourceError, UsageError
from llm_engineering.infrastructure.sources import Files, Mailbox, Objects, Pdf, PythonLoader, SourceContext, SourceSpec
from llm_engineering.infrastructure.sources.guessing import source_at
from llm_engineering.stages import try_source


def read(spec: Any, tmp_path: Path, **settings: Any) -> list[Item]:
    context = SourceContext(tmp_path, **settings)
    try:
        return list(spec.open(context).read())
    finally:
        context.close()


def bucket(tmp_path: Path, **objects: bytes) -> str:
    """Return the address of a bucket in fsspec's own store in memory, which stands in for S3."""
    prefix = f"/{tmp_path.name}"
    fsspec.filesystem("memory").pipe({f"{prefix}/{name.replace('__', '/')}.md": raw for name, raw in objects.items()})
    return f"memory:/{prefix}"


def test_objects_are_read_again_only_when_they_change(tmp_path: Path) -> None:
    url = bucket(tmp_path, cod=b"# Cod", deep__eel=b"# Eel")
    first = [item for item in read(Objects(url=url), tmp_path) if isinstance(item, Document)]
    assert [item.metadata["path"] for item in first] == ["cod.md", "deep/eel.md"]
    stored = {item.id: item.provenance for item in first}
    bucket(tmp_path, cod=b"# Cod, changed")
    second = read(Objects(url=url), tmp_path, known=stored.get)
    assert [type(item) for item in second] == [Document, NotModified]


def test_objects_that_are_too_large_or_not_wanted(tmp_path: Path) -> None:
    url = bucket(tmp_path, cod=b"x" * 5000, eel=b"# Eel")
    items = read(Objects(url=url, max_bytes=1000, exclude=("deep",)), tmp_path)
    assert [item.reason for item in items if isinstance(item, Rejection | Failure)] == ["too_large"]
    with pytest.raises(SourceError, match="no object"):
        read(Objects(url=url, include=("*.xyz",)), tmp_path)


def test_a_secret_of_a_bucket_is_a_reference(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"options.secret .* write \$\{env:NAME\}") as raised:
        Objects(url="s3://fish", options={"secret": "hunter2xyz"})
    assert "hunter2xyz" not in str(raised.value)
    assert Objects(url="s3://fish", options={"secret": "${env:FISH}"}).options["secret"] == "${env:FISH}"
    for url in ("https://example.org/x", "simplecache::s3://fish", "ftp://example.org/x"):
        with pytest.raises(ValidationError):
            Objects(url=url)


def test_a_missing_client_of_a_store_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("gcsfs"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="pip install gcsfs"):
        read(Objects(url="gs://fish"), tmp_path)


def test_the_endpoint_of_a_store_goes_through_the_guard(tmp_path: Path) -> None:
    options = {"endpoint_url": "http://169.254.169.254/latest", "anon": True}
    with pytest.raises(SourceError) as raised:
        read(Objects(url="s3://fish", options=options), tmp_path)
    assert raised.value.reason == "forbidden_address"


def test_a_loader_of_ones_own_gets_its_options_and_its_mistakes_are_rejections(tmp_path: Path) -> None:
    items = read(PythonLoader(function="source_files:fish", options={"kind": "sea"}), tmp_path)
    assert [item.metadata["kind"] for item in items if isinstance(item, Document)] == ["sea", "sea"]
    wrong = read(PythonLoader(function="source_files:odd_fish"), tmp_path)
    assert [item.reason for item in wrong if isinstance(item, Rejection)] == [
        *("wrong_shape", "wrong_shape", "wrong_shape", "duplicate")
    ]
    with pytest.raises(SourceError, match="leaving_fish raised SystemExit: 3") as raised:
        read(PythonLoader(function="source_files:leaving_fish"), tmp_path)
    assert raised.value.reason == "loader"


@pytest.mark.parametrize(
    ("function", "match"),
    [("no_such_module:f", "cannot be imported"), ("source_files:none", "its functions are: ")],
)
def test_a_function_that_is_not_there_is_told_before_anything_is_read(
    tmp_path: Path, function: str, match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        PythonLoader(function=function).open(SourceContext(tmp_path))
    with pytest.raises(ValidationError):
        PythonLoader(function="os.system('rm')")


def test_a_cleaner_of_ones_own_cleans_and_one_without_end_is_an_error() -> None:
    cleaning = Cleaning(cleaners=(PythonCleaner(function="source_files:without", options={"word": "fish"}),))
    assert cleaning.clean_text("a fish fish b", "text") == "a   b"
    with pytest.raises(UsageError, match="for ever"):
        Cleaning(cleaners=(PythonCleaner(function="source_files:longer"),)).clean_text("a", "text")
    with pytest.raises(UsageError, match="returned int"):
        Cleaning(cleaners=(PythonCleaner(function="source_files:length"),)).clean_text("a", "text")


def test_cleaners_and_chunkers_of_ones_own_can_be_configured(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "cleaning: {cleaners: [{kind: python, function: 'mine:clean'}]}\n"
        "chunking: {kind: python, function: 'mine:chunk', max_tokens: 64}\n"
    )
    config = read_config(FeatureConfig, path)
    assert isinstance(config.chunking, PythonChunker)
    assert config.chunking.max_tokens == 64


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        *(("https://example.org/sitemap_index.xml", "sitemap"), ("https://example.org/blog/feed/", "feed")),
        *(("https://example.org/fish.csv", "table"), ("https://example.org/fish", "web"), ("s3://b/x", "objects")),
        *(("https://github.com/a/b", "git"), ("fish.mbox", "mailbox"), ("a.b:load", "python"), ("docs", "files")),
    ],
)
def test_the_kind_of_a_place_is_told_by_its_address(place: str, kind: str) -> None:
    assert source_at(place, {}).kind == kind


def test_a_source_is_tried_without_writing_anything(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    home = tmp_path / "home"
    table = tmp_path / "in" / "fish.csv"
    table.write_text("name,kg\ncod,3\nray\neel,2\n")
    given = ["try", str(table), "--with", "template={{ name }} of {{ kg }} kg", "--json"]
    ran = tool(home, "sources", *given)
    assert ran.code == 0, ran.err
    preview = json.loads(ran.out)
    assert [document["text"] for document in preview["documents"]] == ["cod of 3 kg", "eel of 2 kg"]
    assert [len(document["chunks"]) for document in preview["documents"]] == [1, 1]
    assert [(problem["reason"], "line 3" in problem["detail"]) for problem in preview["problems"]] == [("ragged", True)]
    assert not home.exists() or not list(home.rglob("*.db"))
    assert sorted(path.name for path in tmp_path.iterdir()) in (["home", "in"], ["in"])


def test_trying_shows_what_cleaners_refuse_as_rejections_and_what_they_find_as_metadata(tmp_path: Path) -> None:
    pytest.importorskip("py3langid", reason="the cleaner needs the extra 'languages'")
    french = "La morue est un poisson des mers froides que l'on mange dans beaucoup de pays."
    english = "The cod is a fish of cold seas that is eaten in a great many countries."
    documents = {"memory:///a.md": french, "memory:///b.md": english}
    cleaning = {"cleaners": [{"kind": "language", "allow": ["en"]}]}
    source = {"kind": "memory", "name": "fish", "documents": documents}
    config = FeatureConfig.model_validate({"ingest": {"sources": [source]}, "cleaning": cleaning})
    preview = try_source(config, "fish", {}, 5)
    assert [(one.uri, one.metadata["language"]) for one in preview.documents] == [("memory:///b.md", "en")]
    assert [(one.uri, one.reason, one.detail) for one in preview.problems] == [
        ("memory:///a.md", "language", "its language is fr; allowed: en")
    ]


def test_trying_says_what_is_missing_and_never_a_password(tmp_path: Path) -> None:
    ran = tool(tmp_path, "sources", "try", "postgresql://ann:hunter2xyz@127.0.0.1:1/x")
    assert ran.code == 2
    assert "--with query=" in ran.err
    place = "postgresql+psycopg://ann:hunter2xyz@127.0.0.1:1/x"
    ran = tool(tmp_path, "sources", "try", place, "--with", "query=SELECT 1")
    assert ran.code == 1
    assert "unreachable" in ran.out
    assert "hunter2xyz" not in ran.out + ran.err


def test_source_files_are_what_the_tests_say_they_are() -> None:
    assert source_files.pdf([("Cod", 11)]).startswith(b"%PDF-")


KINDS = get_args(get_args(SourceSpec)[0])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("blank", ["", "  ", "a\nb", "a\x00"])
def test_a_source_has_a_name_that_can_be_read(kind: type[BaseModel], blank: str) -> None:
    for setting in ("name", "tenant"):
        with pytest.raises(ValidationError, match=r"is no name: write .* for example handbook"):
            kind.model_validate({setting: blank})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"kind": "git", "url": "https://example.org/a", "ref": "HEAD~1"},
            "'HEAD~1' is no ref; write the name",
        ),
        (
            {"kind": "json", "url": "a.json", "template": "{a}", "records": "a..b"},
            "'a..b' is no place of records; write",
        ),
        ({"kind": "python", "function": "wiki.load"}, "'wiki.load' names no function; write package.module:name"),
        ({"kind": "objects", "url": "s3://key:hunter2xyz@fish/2024"}, "it names no bucket; write s3://bucket/prefix"),
        ({"kind": "objects", "url": "fish/2024"}, "is no object store; write s3://bucket/prefix"),
    ],
)
def test_a_setting_of_no_valid_form_says_what_to_write(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(SourceSpec).validate_python(given)
    messages = "; ".join(error["msg"] for error in raised.value.errors())
    assert said in messages
    assert "hunter2xyz" not in messages
    assert Objects(url="s3://fish/2024-01-01T10:00").url.endswith("10:00")


def test_no_address_of_a_file_server_is_taken_for_a_database() -> None:
    with pytest.raises(SourceError, match="has the scheme 'ftp'"):
        source_at("ftp://example.org/fish", {})


@pytest.mark.parametrize(("kind", "setting"), [(Files, "root"), (Pdf, "root"), (Mailbox, "path")])
def test_a_blank_is_no_path_and_never_the_working_folder(kind: type[BaseModel], setting: str) -> None:
    for blank in ("", "  "):
        with pytest.raises(ValidationError, match="a blank is no path"):
            kind.model_validate({setting: blank})


def test_a_setting_that_a_kind_does_not_have_is_named_with_where_they_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'rot' is no setting of this kind"):
        source_at(str(tmp_path), {"rot": "x"})
