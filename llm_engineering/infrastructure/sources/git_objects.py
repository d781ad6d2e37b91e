"""Finds a repository's objects and reads files out of them: no working tree, no checkout, no filters."""

import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.git_command import REMOTE_PROTOCOLS, git, start, stop

_QUICK_SECONDS = 60.0
_REGULAR_FILES = frozenset({b"100644", b"100755", b"100664"})  # no links (120000), no submodules (160000)


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file in a commit."""

    path: str
    blob: str
    size: int


def local_git_dir(folder: Path) -> Path:
    """Return where the repository in a folder keeps its objects.

    Raises:
        SourceError: `missing`, `not_a_repository`, or `git_refused`.
    """
    if not folder.is_dir():
        raise SourceError("missing", f"{folder} does not exist or is no folder; check `url`")
    arguments = ["-C", str(folder), "rev-parse", "--absolute-git-dir", "--show-prefix"]
    git_dir, _, prefix = git(arguments, timeout=_QUICK_SECONDS).decode("utf-8", "surrogateescape").partition("\n")
    if prefix.strip():
        raise SourceError(
            "not_a_repository",
            f"{folder} is a folder inside a repository; give the repository's own folder as `url`, "
            f"and include: [{prefix.strip() + '**'!r}]",
        )
    return Path(git_dir)


def fetched_git_dir(url: str, ref: str, clones: Path, timeout: float) -> tuple[Path, str]:
    """Fetch the ref of a remote repository, without its history, into a bare clone below `clones`.

    Returns the clone and the name under which the commit is found there.
    """
    git_dir = clones / sha256(url.encode()).hexdigest()[:16]
    if not (git_dir / "HEAD").is_file():
        clones.mkdir(parents=True, exist_ok=True)
        git(["init", "--quiet", "--bare", "--template=", "--", str(git_dir)], timeout=_QUICK_SECONDS)
    kept = f"refs/source/{sha256(ref.encode()).hexdigest()[:16]}"
    fetch = [
        "fetch",
        "--quiet",
        "--depth=1",
        "--no-tags",
        "--no-recurse-submodules",
        "--force",
        "--",
        url,
        f"+{ref}:{kept}",
    ]
    git(["--git-dir", str(git_dir), *fetch], timeout=timeout, protocols=REMOTE_PROTOCOLS)
    return git_dir, kept


def commit_of(git_dir: Path, ref: str) -> str:
    """Return the commit that a ref stands for.

    Raises:
        SourceError: `no_commits` or `unknown_ref`.
    """
    resolve = ["--git-dir", str(git_dir), "rev-parse", "--verify", "--quiet"]
    try:
        return git([*resolve, f"{ref}^{{commit}}"], timeout=_QUICK_SECONDS).decode("ascii").strip()
    except SourceError as error:
        if not git(["--git-dir", str(git_dir), "rev-list", "--all", "--max-count=1"], timeout=_QUICK_SECONDS).strip():
            raise SourceError("no_commits", f"the repository {git_dir} has no commits yet; commit something") from error
        message = f"{ref!r} is no branch, tag or commit of {git_dir}; check `ref`"
        raise SourceError("unknown_ref", message) from error


def files_of(git_dir: Path, commit: str) -> list[TreeFile]:
    """List the regular files of a commit in the order of their paths."""
    output = git(
        ["--git-dir", str(git_dir), "ls-tree", "-r", "-z", "-l", "--full-tree", commit], timeout=_QUICK_SECONDS
    )
    files = []
    for line in output.split(b"\0")[:-1]:
        head, _, path = line.partition(b"\t")
        mode, _, blob, size = head.split()
        if mode in _REGULAR_FILES:
            files.append(TreeFile(path.decode("utf-8", "backslashreplace"), blob.decode("ascii"), int(size)))
    return sorted(files, key=lambda file: file.path)


class Blobs:
    """Reads blobs one after the other from one git process."""

    def __init__(self, git_dir: Path, timeout: float) -> None:
        self._process = start(["--git-dir", str(git_dir), "cat-file", "--batch"])
        self._timeout = timeout

    def read(self, blob: str) -> bytes:
        """Return the content of a blob.

        Raises:
            SourceError: `unreadable`, the repository is damaged, or git hangs.
        """
        watch = threading.Timer(self._timeout, self._process.kill)
        watch.start()
        try:
            return self._ask(blob)
        except OSError as error:
            raise SourceError("unreadable", f"git cannot read the object {blob}: {error}") from error
        finally:
            watch.cancel()

    def _ask(self, blob: str) -> bytes:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - both were opened as pipes
        assert stdout is not None  # noqa: S101
        stdin.write(f"{blob}\n".encode("ascii"))
        stdin.flush()
        head = stdout.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            raise SourceError(
                "unreadable", f"git cannot read the object {blob}; is the repository damaged? try git fsck"
            )
        content = stdout.read(int(head[2]))
        if len(content) != int(head[2]) or stdout.read(1) != b"\n":
            raise SourceError("unreadable", f"git stopped in the middle of the object {blob}")
        return content

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(self._process)
