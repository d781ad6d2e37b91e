import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from llm_engineering.domain.documents import Document, Failure, Item, NotModified, Rejection
from llm_engineering.domain.errors import SourceError, UsageError
from llm_engineering.infrastructure.sources import Files, SourceContext
from llm_engineering.infrastructure.sources.contents import title_in
from llm_engineering.infrastructure.sources.globs import is_below_any, matches_any


def write(root: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def read(root: Path, **settings: object) -> list[Item]:
    return list(Files(root=root, **settings).open(SourceContext(root)).read())


def paths(items: Sequence[Item]) -> list[object]:
    return [item.metadata["path"] for item in items if isinstance(item, Document)]


def only(items: Sequence[Item]) -> Document:
    (item,) = items
    assert isinstance(item, Document)
    return item


def test_formats_follow_the_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "a.md": "# Title\n\ntext",
            "b.py": "x = 1",
            "c.rst": "Fish\n====\n\ntext",
            "d.txt": "text",
            "e.HTML": "<h1>Page</h1><p>text",
        },
    )
    items = {item.metadata["path"]: item for item in read(tmp_path) if isinstance(item, Document)}
    assert {path: (item.format, item.title) for path, item in items.items()} == {
        "a.md": ("markdown", "Title"),
        "b.py": ("code", "b.py"),
        "c.rst": ("text", "Fish"),
        "d.txt": ("text", "d"),
        "e.HTML": ("markdown", "Page"),
    }
    assert items["b.py"].metadata["language"] == "python"
    assert items["e.HTML"].text == "# Page\n\ntext"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("intro\n\n## Second ##\n", "Second"),
        ("Title\n=====\n", "Title"),
        ("```\n# comment\n```\n# Real\n", "Real"),
        ("~~~~\n~~~\n# comment\n~~~~\n# Real\n", "Real"),
        ("---\ntags: x\n---\n# Real\n", "Real"),
        ("#hashtag\n# Real", "Real"),
        ("no heading", "file"),
        ("# \n", "file"),
    ],
)
def test_the_title_is_the_first_heading_outside_of_code(tmp_path: Path, text: str, title: str) -> None:
    assert only(read(write(tmp_path, **{"file.md": text}))).title == title


def test_code_comes_as_it_is(tmp_path: Path) -> None:
    source = "def f(a,  b):\n\treturn a  # ünïcödé\n\n\n"
    assert only(read(write(tmp_path, **{"f.py": source}))).text == source


def test_the_uri_is_absolute_and_the_order_that_of_the_paths(tmp_path: Path) -> None:
    write(tmp_path, **{"b.md": "b", "a/z.md": "z", "a b/ü.md": "u"})
    items = read(tmp_path)
    assert paths(items) == ["a b/ü.md", "a/z.md", "b.md"]
    assert items[0].uri == f"{tmp_path.resolve().as_uri()}/a%20b/%C3%BC.md"


def test_hidden_files_and_what_tools_leave_behind_are_not_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{".git/x.md": "x", ".env.md": "x", "node_modules/p/x.md": "x", "__pycache__/x.py": "x", ".venv/x.py": "x"},
    )
    assert paths(read(write(tmp_path, **{"a.md": "a"}))) == ["a.md"]


def test_a_hidden_root_is_read_all_the_same(tmp_path: Path) -> None:
    assert paths(read(write(tmp_path / ".notes", **{"a.md": "a"}))) == ["a.md"]


def test_include_and_exclude_choose(tmp_path: Path) -> None:
    write(tmp_path, **{"docs/a.md": "a", "docs/old/b.md": "b", "c.md": "c", "d.xyz": "d"})
    assert paths(read(tmp_path, include=["docs/**/*.md"])) == ["docs/a.md", "docs/old/b.md"]
    assert paths(read(tmp_path, exclude=["old"])) == ["c.md", "docs/a.md"]
    assert paths(read(tmp_path, include=["/*.md", "*.xyz"])) == ["c.md", "d.xyz"]


def test_pointers_of_git_lfs_and_locks_of_office_are_no_documents(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"
    write(tmp_path, **{"a.md": pointer, "b.pdf": pointer, "~$c.docx": "locked", "d.md": "d"})
    items = read(tmp_path)
    assert paths(items) == ["d.md"]
    assert [item.reason for item in items if isinstance(item, Rejection)] == ["unparsable"] * 2
    assert all("git lfs pull" in item.detail for item in items if isinstance(item, Rejection))


def test_files_that_no_pattern_wants_are_told(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": "a", "b.xyz": "b", "deep/c.XYZ": "c", "Makefile": "d", ".env": "e"})
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")
    read(tmp_path)
    logger.remove(sink)
    assert said[0].endswith("files that `include` does not name are not read: 2 .xyz, 1 Makefile\n")


def test_a_single_file_is_a_root(tmp_path: Path) -> None:
    write(tmp_path, **{"notes.xyz": "some notes"})
    assert only(read(tmp_path / "notes.xyz")).text == "some notes"


def test_what_is_no_document_is_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{"a.md": "a", "b.txt": b"\x00\x01\x02", "c.md": "  \n", "d.md": "d" * 2000, "e.html": "<nav>x</nav>"},
    )
    reasons = {
        Path(item.uri).name: item.reason for item in read(tmp_path, max_bytes=1000) if isinstance(item, Rejection)
    }
    assert reasons == {"b.txt": "binary", "c.md": "empty", "d.md": "too_large", "e.html": "empty"}


def test_a_saved_block_page_in_a_folder_is_kept(tmp_path: Path) -> None:
    html = "<title>Access Denied</title><h1>Access Denied</h1><p>You don't have permission to access this.</p>"
    assert "permission" in only(read(write(tmp_path, **{"a.html": html}))).text


def test_links_do_not_lead_out_of_the_root(tmp_path: Path) -> None:
    write(tmp_path, **{"secret.md": "secret", "root/a.md": "a", "root/.hidden.md": "hidden", "away/b.md": "b"})
    root = tmp_path / "root"
    (root / "out.md").symlink_to(tmp_path / "secret.md")
    (root / "folder").symlink_to(tmp_path / "away")
    (root / "again.md").symlink_to(root / "a.md")
    (root / "to_hidden.md").symlink_to(root / ".hidden.md")
    (root / "nowhere.md").symlink_to(root / "none.md")
    (root / "loop.md").symlink_to(root / "loop.md")
    (root / "up").symlink_to(root)
    items = read(root)
    assert paths(items) == ["a.md"]
    reasons = {Path(item.uri).name: item.reason for item in items if isinstance(item, Rejection)}
    assert reasons == {"out.md": "outside", "nowhere.md": "missing", "loop.md": "missing"}


def test_a_link_as_root_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "real", **{"a.md": "a"})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert only(read(tmp_path / "link")).uri == (tmp_path / "real" / "a.md").resolve().as_uri()
    assert Files(root=tmp_path / "link").name == Files(root=tmp_path / "real").name


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": "a"})
    os.mkfifo(tmp_path / "pipe.md")
    assert [item.reason for item in read(tmp_path) if isinstance(item, Rejection)] == ["not_a_file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    write(tmp_path, **{"a.md": "a"})
    (tmp_path / "a.md").chmod(0)
    assert [item.reason for item in read(tmp_path) if isinstance(item, Failure)] == ["unreadable"]


def test_names_that_are_no_utf_8_are_read(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("hello")
    document = only(read(tmp_path))
    assert document.metadata["path"] == "caf\\xe9.md"
    assert document.uri.endswith("caf%E9.md")
    assert document.id


def test_a_missing_root_says_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist") as raised:
        read(tmp_path / "none")
    assert raised.value.reason == "missing"


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(SourceError, match="does not exist"):
        read(tmp_path / "circle")


def test_a_path_with_a_nul_is_refused_with_the_configuration() -> None:
    with pytest.raises(UsageError, match=r"'docs\\x00' is no path"):
        Files(root=Path("docs\0"))


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    write(tmp_path, **{"a.xyz": "x"})
    with pytest.raises(SourceError, match=r"\*\.md") as raised:
        read(tmp_path)
    assert raised.value.reason == "empty_source"


def test_what_runs_wrote_is_no_document_where_the_home_lies_in_the_folder(tmp_path: Path) -> None:
    state = (
        *("reports/c/run-1.html", "zenml/config.yaml", "zenml/local_stores/x/report.html", "registry/m/README.md"),
        *("evaluations/e/report.html", "llm-evaluations/e/report.html"),
    )
    mine = ("a.md", "state/notes.md", "docs/models/b.md")
    for name in (*mine, *(f"state/{name}" for name in state)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("cod")
    for root, found in (
        (tmp_path, mine),
        (tmp_path / "state", mine[1:2]),
        (tmp_path / "state" / "registry", state[3:4]),
    ):
        items = list(Files(root=root).open(SourceContext(tmp_path / "state")).read())
        assert [Path(item.uri).name for item in items] == sorted(Path(name).name for name in found)


def test_an_edit_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    first = only(read(write(tmp_path, **{"a.md": "cod"})))
    stamp = time.time() - 1000
    os.utime(tmp_path / "a.md", (stamp, stamp))
    context = SourceContext(tmp_path, known={first.id: first.provenance}.get)
    source = Files(root=tmp_path).open(context)
    assert isinstance(next(source.read()), NotModified)
    write(tmp_path, **{"a.md": "eel"})
    os.utime(tmp_path / "a.md", (stamp, stamp))
    assert only(list(source.read())).text == "eel"


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.md", "a.md", True),
        ("*.md", "deep/down/a.MD", True),
        ("*.md", "a.mdx", False),
        ("/*.md", "deep/a.md", False),
        ("docs/*.md", "docs/a.md", True),
        ("docs/*.md", "docs/deep/a.md", False),
        ("docs/**/*.md", "docs/a.md", True),
        ("docs/**/*.md", "docs/deep/down/a.md", True),
        ("docs/**", "docs/deep/a", True),
        ("./docs/a.md", "docs/a.md", True),
        ("a?.md", "ab.md", True),
        ("a?.md", "a/.md", False),
        ("[ab].md", "b.md", True),
        ("[!ab].md", "b.md", False),
        ("[.md", "[.md", True),
        ("a+(b).md", "a+(b).md", True),
        (".*", ".env", True),
        (".*", "deep/.git", True),
        ("build/", "deep/build", True),
        ("\u00dcber*.md", "U\u0308bersicht.md", True),
    ],
)
def test_patterns(pattern: str, path: str, expected: bool) -> None:
    assert matches_any(path, [pattern]) is expected


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_pattern_can_be_used(pattern: str, path: str) -> None:
    matches_any(path, [pattern])


def test_what_lies_in_a_matching_folder_is_below_it() -> None:
    assert is_below_any("a/node_modules/b/c.js", ["node_modules"])
    assert not is_below_any("a/b/c.js", ["node_modules"])


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ('---\ntitle: "My Guide: part 1"\ntags: [a]\n---\n\nText\n\n## Section\n', "My Guide: part 1"),
        ("---\nlayout: post\ntitle: 'It''s here' # note\n---\n# Heading\n", "It's here"),
        ('---\ntitle: "a \\"quoted\\" word"\n---\n', 'a "quoted" word'),
        ("---\ntitle: C# for all # a comment\n...\n# Heading\n", "C# for all"),
        ("---\r\ntitle: Windows\r\n---\r\n# Heading\r\n", "Windows"),
        ("---\ntitle: >-\n  Long\n  title\n---\n# Heading\n", "Heading"),
        ('---\ntitle: ""\n---\n# Heading\n', "Heading"),
        ("---\n# a comment, no heading\nauthor:\n  title: Dr\n---\n# Heading\n", "Heading"),
        ("---\n\nA rule, then text.\n\n---\n\n# Heading\n", "Heading"),
        ("# Heading\n\n---\ntitle: no front matter\n---\n", "Heading"),
        ("---\ntitle: never closed\n# Heading\n", "Heading"),
        ("##  C# in depth  ## \n", "C# in depth"),
        ("# Windows #\r\n", "Windows"),
        ("# #\n", "#"),
    ],
)
def test_the_title_of_a_markdown_file_is_that_of_its_front_matter_else_its_first_heading(text: str, title: str) -> None:
    assert title_in(text, "markdown") == title


@pytest.mark.parametrize("unit", ["a\n", "title: ", "\\", " ", '"', "\n", " #", "\t"])
def test_a_long_front_matter_or_heading_takes_no_time(unit: str) -> None:
    started = time.process_time()
    title_in(f"---\ntitle: a{unit * 100_000}b\n---\n", "markdown")
    title_in(f"---{unit * 100_000}", "markdown")
    title_in(f"# a{unit * 100_000}b", "markdown")
    title_in(f'---\ntitle: "{unit * 100_000}\n---\n', "markdown")
    title_in(f"---\n{unit * 100_000}", "markdown")
    assert time.process_time() - started < 5
