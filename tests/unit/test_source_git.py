import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from llm_engineering.domain.documents import Document, Item, NotModified, Rejection
from llm_engineering.domain.errors import SourceError, UsageError
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.sources import Git, SourceContext


def git(folder: Path, *arguments: str) -> str:
    settings = ["user.name=Ann", "user.email=ann@example.org", "commit.gpgsign=false", "protocol.file.allow=always"]
    options = [part for setting in settings for part in ("-c", setting)]
    command = ["git", "-C", str(folder), *options, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def repository(folder: Path, **files: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    return commit(folder, **files)


def commit(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "more")
    return folder


def read(url: Path | str, **settings: object) -> list[Item]:
    return list(Git(url=str(url), **settings).open(SourceContext(Path("/nonexistent"))).read())


def texts(items: Sequence[Item]) -> dict[str, str]:
    return {str(item.metadata["path"]): item.text for item in items if isinstance(item, Document)}


def reason_of(url: Path | str, **settings: object) -> str:
    with pytest.raises(SourceError) as raised:
        read(url, **settings)
    return raised.value.reason


def test_a_document_per_file_with_path_and_commit(tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a b/ü.md": "# Fish\n", "code.py": "def f(a,  b):\n\treturn a\n"})
    document = next(item for item in read(folder) if isinstance(item, Document))
    assert document.uri == f"{folder.resolve().as_uri()}#a%20b/%C3%BC.md"
    commit = git(folder, "rev-parse", "HEAD")
    assert dict(document.metadata) == {"path": "a b/ü.md", "repository": folder.resolve().as_uri(), "commit": commit}
    assert texts(read(folder))["code.py"] == "def f(a,  b):\n\treturn a\n"


def test_what_is_not_committed_is_not_read(tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "old"})
    (folder / "a.md").write_text("new")
    (folder / "b.md").write_text("new")
    assert texts(read(folder)) == {"a.md": "old"}


def test_branches_tags_and_commits_can_be_read(tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "one"})
    git(folder, "tag", "-a", "v1", "-m", "first")
    first = git(folder, "rev-parse", "HEAD")
    git(folder, "checkout", "-q", "-b", "next/step")
    commit(folder, **{"a.md": "two"})
    git(folder, "checkout", "-q", "main")
    commit(folder, **{"a.md": "three"})
    assert [texts(read(folder, ref=ref))["a.md"] for ref in ("v1", first, "next/step", "main", "HEAD")] == [
        "one", "one", "two", "three", "three",
    ]  # fmt: skip


def test_bare_repositories_and_file_urls_are_read(tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "fish"})
    git(tmp_path, "clone", "-q", "--bare", str(folder), "bare.git")
    assert texts(read(tmp_path / "bare.git")) == {"a.md": "fish"}
    assert texts(read(folder.as_uri())) == {"a.md": "fish"}


def test_links_and_submodules_are_not_read(tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner", **{"x.md": "inner"})
    folder = repository(tmp_path / "r", **{"a.md": "fish"})
    (folder / "link.md").symlink_to("/etc/passwd")
    git(folder, "submodule", "--quiet", "add", str(inner), "sub")
    commit(folder)
    assert texts(read(folder)) == {"a.md": "fish"}


def test_bad_files_are_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = repository(
        tmp_path / "r", **{"a.md": "fish", "b.md": "", "c.txt": b"\x00", "d.md": "x" * 2000, "e.md": "eel"}
    )
    items = read(folder, max_bytes=1000)
    assert texts(items) == {"a.md": "fish", "e.md": "eel"}
    assert [item.reason for item in items if isinstance(item, Rejection)] == ["empty", "binary", "too_large"]


def test_only_changed_files_are_read_again(tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "fish", "b.md": "eel"})
    stored = {item.id: item.provenance for item in read(folder) if isinstance(item, Document)}
    commit(folder, **{"b.md": "cod"})
    items = list(Git(url=str(folder)).open(SourceContext(tmp_path, known=stored.get)).read())
    assert [type(item) for item in items] == [NotModified, Document]


def test_names_that_are_no_utf_8_are_read(tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "fish"})
    (folder / os.fsdecode(b"caf\xe9\n.md")).write_text("hello")
    commit(folder)
    assert texts(read(folder)) == {"a.md": "fish", "caf\\xe9\n.md": "hello"}


def test_whole_source_problems_have_reasons(tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"docs/a.md": "fish"})
    (tmp_path / "plain").mkdir()
    (tmp_path / "new").mkdir()
    git(tmp_path / "new", "init", "-q")
    assert reason_of(tmp_path / "none") == "missing"
    assert reason_of(tmp_path / "plain") == "not_a_repository"
    assert reason_of(tmp_path / "new") == "no_commits"
    assert reason_of(folder, ref="nothing") == "unknown_ref"
    assert reason_of(folder, include=["*.xyz"]) == "empty_source"
    with pytest.raises(SourceError, match=r"docs/\*\*"):
        read(folder / "docs")


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c 'touch /tmp/x'",
        "git://127.0.0.1/x",
        "ftp://127.0.0.1/x",
        "fd::17",
        "ssh://-oProxyCommand=x/y",
        "ssh://-x@example.org/y",
        "-x@example.org:y",
        "git@example.org:-y",
        "git@-example.org:y",
    ],
)
def test_other_protocols_are_refused(url: str) -> None:
    assert reason_of(url) == "bad_url"


@pytest.mark.parametrize("ref", ["--upload-pack=touch /tmp/x", "-x", "a b", "a:b", "a^{tree}", "", "a\nb"])
def test_refs_that_mean_something_else_are_refused(ref: str) -> None:
    with pytest.raises(ValidationError):
        Git(url=".", ref=ref)


def test_a_path_that_looks_like_an_option_is_a_path() -> None:
    assert reason_of("--upload-pack=touch") == "missing"


def test_settings_of_the_surroundings_do_not_lead_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "fish"})
    other = repository(tmp_path / "other", **{"b.md": "eel"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert texts(read(folder)) == {"a.md": "fish"}


def test_a_repository_cannot_run_anything(tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "fish", ".gitattributes": "*.md filter=evil diff=evil\n"})
    trap = tmp_path / "trap"
    for setting in (
        "core.fsmonitor",
        "core.pager",
        "filter.evil.smudge",
        "diff.evil.textconv",
        "core.sshCommand",
        "core.editor",
    ):
        git(folder, "config", setting, f"touch {trap}")
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        path = folder / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {trap}\n")
        path.chmod(0o755)
    trap.unlink(missing_ok=True)
    assert texts(read(folder)) == {"a.md": "fish"}
    assert not trap.exists()


def test_an_unreachable_server_says_so(tmp_path: Path) -> None:
    fetching = Fetching(private_hosts=("127.0.0.1",))
    with pytest.raises(SourceError) as raised:
        list(Git(url="https://user:secret@127.0.0.1:1024/r.git").open(SourceContext(tmp_path, fetching)).read())
    assert raised.value.reason == "unreachable"
    assert "secret" not in str(raised.value)


def test_names_hold_no_credentials() -> None:
    assert Git(url="https://user:secret@example.org/r.git").name == "git:https://example.org/r.git"
    assert Git(url="git@example.org:o/r.git", ref="v1").name == "git:git@example.org:o/r.git@v1"


def test_without_git_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed"):
        read(tmp_path)
