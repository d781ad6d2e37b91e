"""Git goes through the same guard as web pages, and a repository cannot make it run or read anything else."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from git_over_http import GitServer, commit, git, redirect, repository, serving

from llm_engineering.domain.documents import Document, Failure, Item
from llm_engineering.domain.errors import SourceError, UsageError
from llm_engineering.infrastructure.fetching import Fetching
from llm_engineering.infrastructure.network import Resolver
from llm_engineering.infrastructure.sources import Git, SourceContext

LOOPBACK = ("127.0.0.1",)


def answering(*addresses: str) -> Resolver:
    return lambda name, port, seconds: addresses


def read(
    home: Path,
    url: str | Path,
    *,
    private_hosts: tuple[str, ...] = LOOPBACK,
    resolve: Resolver | None = None,
    **settings: object,
) -> list[Item]:
    fetching = Fetching(private_hosts=private_hosts, requests_per_second=1000.0, retries=0, timeout_seconds=5.0)
    context = SourceContext(home, fetching, resolve=resolve)
    try:
        return list(Git(url=str(url), **settings).open(context).read())
    finally:
        context.close()


def texts(items: list[Item]) -> dict[str, str]:
    return {str(item.metadata["path"]): item.text for item in items if isinstance(item, Document)}


def reason_of(home: Path, url: str | Path, **settings: object) -> str:
    with pytest.raises(SourceError) as raised:
        read(home, url, **settings)
    return raised.value.reason


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    repository(tmp_path / "served" / "r", **{"a.md": "fish"})
    with serving(tmp_path / "served") as started:
        yield started


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program named ssh first on the PATH that writes down how it was called; it connects to nothing."""
    called = tmp_path / "ssh-called"
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ssh"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {called}\nexit 255\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for name in ("GIT_SSH", "GIT_SSH_COMMAND"):
        monkeypatch.delenv(name, raising=False)
    return called


# Remote repositories


def test_a_clone_follows_its_remote(server: GitServer, tmp_path: Path) -> None:
    folder = tmp_path / "served" / "r"
    git(folder, "tag", "-a", "v1", "-m", "first")
    assert texts(read(tmp_path, server.url + "/r")) == {"a.md": "fish"}
    commit(folder, **{"a.md": "eel"})
    assert texts(read(tmp_path, server.url + "/r")) == {"a.md": "eel"}
    assert texts(read(tmp_path, server.url + "/r", ref="v1")) == {"a.md": "fish"}
    assert reason_of(tmp_path, server.url + "/r", ref="nothing") == "unknown_ref"


def test_git_connects_to_the_address_that_was_checked_and_asks_no_other_resolver(
    server: GitServer, tmp_path: Path
) -> None:
    url = f"http://nobody-knows-me.example:{server.port}/r"
    items = read(tmp_path, url, resolve=answering("127.0.0.1"))
    assert texts(items) == {"a.md": "fish"}
    assert server.requests[0][1]["host"] == f"nobody-knows-me.example:{server.port}"
    assert items[0].uri == f"{url}#a.md"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/r",
        "http://localhost:{port}/r",
        "http://private.example:{port}/r",
        "http://user:pw@private.example:{port}/r",
        "ssh://git@private.example/r",
        "ssh://git@private.example:{port}/r",
        "git@private.example:r",
        "git@localhost:r",
        "ssh://127.0.0.1/r",
        "ssh://[::1]/r",
        "http://[::ffff:127.0.0.1]:{port}/r",
    ],
)
def test_repositories_on_private_hosts_are_refused_without_a_connection(
    url: str, server: GitServer, fake_ssh: Path, tmp_path: Path
) -> None:
    addresses = {"private.example": ("93.184.216.34", "127.0.0.1"), "localhost": ("127.0.0.1",)}
    with pytest.raises(SourceError) as raised:
        read(tmp_path, url.format(port=server.port), private_hosts=(), resolve=lambda name, *_: addresses[name])
    assert raised.value.reason == "forbidden_address"
    assert "private_hosts" in str(raised.value) or "No setting" in str(raised.value)
    assert not server.requests
    assert not fake_ssh.exists()


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "１２７.0.0.1"])
@pytest.mark.parametrize("form", ["http://{}:{}/r", "ssh://git@{}:{}/r"])
def test_unusual_spellings_are_refused(host: str, form: str, server: GitServer, fake_ssh: Path, tmp_path: Path) -> None:
    assert reason_of(tmp_path, form.format(host, server.port)) == "bad_url"
    assert not server.requests
    assert not fake_ssh.exists()


def test_ssh_is_bound_to_the_checked_address(fake_ssh: Path, tmp_path: Path) -> None:
    assert reason_of(tmp_path, "git@example.org:o/r.git", resolve=answering("93.184.216.34")) == "unreachable"
    called = fake_ssh.read_text().splitlines()
    for option in ("HostName=93.184.216.34", "HostKeyAlias=example.org", "ProxyCommand=none", "ControlPath=none"):
        assert called[called.index(option) - 1] == "-o"
    assert "git@example.org" in called
    reason_of(tmp_path, "ssh://git@example.org:2222/o/r", resolve=answering("2606:4700::1"))
    called = fake_ssh.read_text().splitlines()
    assert {"HostName=2606:4700::1", "HostKeyAlias=[example.org]:2222", "Port=2222"} <= set(called)


def test_a_redirect_is_followed_by_us_and_not_by_git(server: GitServer, tmp_path: Path) -> None:
    server.answers["/old"] = redirect(f"{server.url}/r/info/refs?service=git-upload-pack")
    assert texts(read(tmp_path, server.url + "/old")) == {"a.md": "fish"}


def test_a_redirect_to_a_private_host_is_refused(server: GitServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.2", 0)) as canary:
        port = canary.getsockname()[1]
        server.answers["/old"] = redirect(f"http://127.0.0.2:{port}/r/info/refs?service=git-upload-pack")
        assert reason_of(tmp_path, server.url + "/old") == "forbidden_address"
        canary.setblocking(False)
        with pytest.raises(BlockingIOError):
            canary.accept()


def test_a_redirect_takes_no_credentials_along(server: GitServer, tmp_path: Path) -> None:
    with serving(tmp_path / "served") as other:
        server.answers["/old"] = redirect(f"{other.url}/r/info/refs?service=git-upload-pack")
        url = server.url.replace("//", "//me:secret@") + "/old"
        assert texts(read(tmp_path, url)) == {"a.md": "fish"}
    assert other.requests
    assert not any("authorization" in headers for _, headers in other.requests)


def test_settings_of_the_user_do_not_lead_elsewhere(
    server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text(
        f'[url "http://127.0.0.3/"]\n\tinsteadOf = {server.url}/\n[http]\n\tproxy = http://127.0.0.3:1\n'
        f"[core]\n\tsshCommand = touch {tmp_path}/trap\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("http_proxy", "http://127.0.0.3:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.3:1")
    assert texts(read(tmp_path, server.url + "/r")) == {"a.md": "fish"}


def test_the_users_credential_helper_lets_us_in(
    server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(handler) -> None:
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="x"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    settings = tmp_path / "gitconfig"
    settings.write_text("[credential]\n\thelper = \"!printf 'username=me\\\\npassword=pw\\\\n' #\"\n")
    server.answers["/r"] = locked
    assert reason_of(tmp_path, server.url + "/r") == "no_access"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    assert reason_of(tmp_path, server.url + "/r") == "no_access"
    assert server.requests[-1][1]["authorization"] == "Basic bWU6cHc="


def test_a_dumb_server_cannot_name_other_places(server: GitServer, tmp_path: Path) -> None:
    git(tmp_path / "served" / "r", "update-server-info")
    info = tmp_path / "served" / "r" / ".git" / "objects" / "info"
    with serving(tmp_path / "served") as other:
        (info / "http-alternates").write_text(f"{other.url}/r/.git/objects\n")

        def plainly(handler) -> None:
            path = tmp_path / "served" / handler.path.partition("?")[0].lstrip("/")
            content = path.read_bytes() if path.is_file() and path.suffix != ".pack" else b""
            handler.send_response(200 if content else 404)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)

        server.answers["/r"] = plainly
        with pytest.raises(SourceError):
            read(tmp_path, server.url + "/r/.git", private_hosts=(f"127.0.0.1:{server.port}",))
        assert not other.requests


def test_a_repository_that_is_too_large_is_given_up(server: GitServer, tmp_path: Path) -> None:
    commit(tmp_path / "served" / "r", **{"noise.bin": os.urandom(3_000_000)})

    assert reason_of(tmp_path, server.url + "/r", max_repository_bytes=1_000_000) == "too_large"


def test_a_server_that_never_answers_is_given_up(server: GitServer, tmp_path: Path) -> None:
    def silent(handler) -> None:
        handler.rfile.read(1)

    server.answers["/r"] = silent
    assert reason_of(tmp_path, server.url + "/r", timeout_seconds=0.5) == "timeout"


def test_an_old_git_is_refused_because_it_would_ignore_the_pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which("git")
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *version) echo git version 2.30.2;; *) exec {real} "$@";; esac\n', encoding="utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UsageError, match=r"2\.30\.2 is too old.*2\.37"):
        read(tmp_path, "http://127.0.0.1:1024/r")


# Local repositories from elsewhere


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return repository(tmp_path / "secret", **{"key.md": "canary"})


def test_settings_of_a_repository_run_nothing(tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "fish", ".gitattributes": "*.md filter=evil diff=evil\n"})
    trap = tmp_path / "trap"
    command = f"touch {trap}"
    for setting in (
        "core.fsmonitor", "core.sshCommand", "core.gitProxy", "core.askPass", "core.pager", "core.editor",
        "core.alternateRefsCommand", "uploadpack.packObjectsHook", "filter.evil.smudge", "filter.evil.process",
        "diff.evil.textconv", "diff.external", "credential.helper", "remote.origin.uploadpack", "gpg.program",
        "alias.rev-parse", "alias.cat-file", "pager.cat-file", "pager.ls-tree", "trace2.eventTarget",
    ):  # fmt: skip
        git(folder, "config", setting, f"!{command}" if setting.startswith(("alias", "credential")) else command)
    git(folder, "config", "trace2.normalTarget", str(trap))
    git(folder, "config", "core.hooksPath", str(tmp_path / "hooks"))
    for place in (tmp_path / "hooks", folder / ".git" / "hooks"):
        place.mkdir(exist_ok=True)
        for name in (
            "post-checkout",
            "reference-transaction",
            "post-index-change",
            "fsmonitor-watchman",
            "pre-auto-gc",
        ):
            (place / name).write_text(f"#!/bin/sh\n{command}\n")
            (place / name).chmod(0o755)
    trap.unlink(missing_ok=True)
    assert texts(read(tmp_path, folder)) == {"a.md": "fish"}
    assert not trap.exists()


@pytest.mark.parametrize("kind", ["ext", "file", "ssh", "helper"])
def test_missing_objects_are_not_fetched_from_where_the_repository_says(kind: str, tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "fish", "b.md": "eel"})
    trap = tmp_path / "trap"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    blob = git(folder, "rev-parse", "HEAD:a.md")
    (folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    urls = {"ext": f"ext::{script}", "file": folder.as_uri(), "ssh": "ssh://x/y", "helper": "evil::x"}
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": urls[kind],
        "remote.origin.promisor": "true",
        "remote.origin.uploadpack": str(script),
        "core.sshCommand": str(script),
        "protocol.allow": "always",
        "protocol.ext.allow": "always",
    }.items():
        git(folder, "config", name, value)
    if kind == "helper":
        git(folder, "config", "remote.origin.vcs", "evil")
    items = read(tmp_path, folder)
    assert texts(items) == {"b.md": "eel"}
    assert [item.reason for item in items if isinstance(item, Failure)] == ["unreadable"]
    assert not trap.exists()


def test_alternates_are_refused(secret: Path, tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "fish"})
    (folder / ".git" / "objects" / "info" / "alternates").write_text(f"{secret}/.git/objects\n")
    (folder / ".git" / "refs" / "heads" / "main").write_text(git(secret, "rev-parse", "HEAD") + "\n")
    assert reason_of(tmp_path, folder) == "git_refused"


@pytest.mark.parametrize(
    "name", [".git", ".git/objects", ".git/objects/pack", ".git/HEAD", ".git/refs", ".git/refs/heads/main"]
)
def test_links_to_another_repository_are_refused(name: str, secret: Path, tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "fish"})
    path = folder / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(secret / name)
    assert reason_of(tmp_path, folder) in ("git_refused", "not_a_repository")


@pytest.mark.parametrize("content", ["gitdir: {secret}/.git\n", None])
def test_a_folder_cannot_pass_another_repository_off_as_its_own(
    content: str | None, secret: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "r"
    if content is None:
        repository(folder, **{"a.md": "fish"})
        (folder / ".git" / "commondir").write_text(f"{secret}/.git\n")
    else:
        folder.mkdir()
        (folder / ".git").write_text(content.format(secret=secret))
    assert reason_of(tmp_path, folder) == "git_refused"


def test_worktrees_and_submodules_of_ones_own_are_read(tmp_path: Path) -> None:
    main = repository(tmp_path / "main", **{"a.md": "fish"})
    git(main, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "other")
    assert texts(read(tmp_path, tmp_path / "tree")) == {"a.md": "fish"}
    outer = repository(tmp_path / "outer", **{"b.md": "eel"})
    git(outer, "submodule", "--quiet", "add", str(main), "sub")
    assert texts(read(tmp_path, outer / "sub")) == {"a.md": "fish"}


def test_links_in_a_commit_are_not_followed(secret: Path, tmp_path: Path) -> None:
    folder = repository(tmp_path / "r", **{"a.md": "fish"})
    (folder / "link.md").symlink_to(secret / "key.md")
    (folder / "folder").symlink_to(secret)
    commit(folder)
    assert texts(read(tmp_path, folder)) == {"a.md": "fish"}


def test_a_bomb_of_folders_in_folders_is_given_up(tmp_path: Path) -> None:
    """Ten levels with ten times the same folder are ten thousand million files in a kilobyte."""
    folder = repository(tmp_path / "r", **{"a.md": "fish"})
    tree = git(folder, "rev-parse", "HEAD^{tree}")
    for _ in range(10):
        listed = "".join(f"040000 tree {tree}\tfolder-with-a-long-name-{number}\n" for number in range(10))
        tree = _made(folder, listed)
    bomb = git(folder, "commit-tree", tree, "-m", "bomb")
    git(folder, "update-ref", "refs/heads/main", bomb)
    assert reason_of(tmp_path, folder) == "too_large"


def _made(folder: Path, listed: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), "mktree"], input=listed, check=True, capture_output=True, text=True
    ).stdout.strip()
