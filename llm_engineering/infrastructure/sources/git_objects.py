"""Finds a repository's objects and reads files out of them: no working tree, no checkout, no filters."""

import subprocess
import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.git_command import Limits, git, start, stop
from llm_engineering.infrastructure.sources.git_remote import Remote
from llm_engineering.infrastructure.sources.git_settings import REMOTE_PROTOCOLS
from llm_engineering.infrastructure.sources.git_trust import refuse_borrowed

_QUICK = Limits(seconds=60.0)
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
    prefix = _said(folder, "--show-prefix")
    if prefix:
        raise SourceError(
            "not_a_repository",
            f"{folder} is a folder inside a repository; give the repository's own folder as `url`, "
            f"and include: [{prefix + '**'!r}]",
        )
    git_dir, common_dir = Path(_said(folder, "--git-dir")), Path(_said(folder, "--git-common-dir"))
    refuse_borrowed(folder, git_dir, common_dir, _QUICK)
    return git_dir


def _said(folder: Path, question: str) -> str:
    answer = git(["-C", str(folder), "rev-parse", "--path-format=absolute", question], _QUICK)
    return answer.decode("utf-8", "surrogateescape").removesuffix("\n")


def clone_of(url: str, clones: Path) -> Path:
    """Return the bare clone that is kept for a URL below `clones`, making an empty one if there is none."""
    git_dir = clones / sha256(url.encode()).hexdigest()[:16]
    if not (git_dir / "HEAD").is_file():
        clones.mkdir(parents=True, exist_ok=True)
        git(["init", "--quiet", "--bare", "--template=", "--", str(git_dir)], _QUICK)
    return git_dir


def fetched_ref(git_dir: Path, remote: Remote, ref: str, limits: Limits) -> str:
    """Fetch a ref of a remote repository, without its history, and return the name under which it is kept."""
    kept = f"refs/source/{sha256(ref.encode()).hexdigest()[:16]}"
    quietly = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]
    git(
        ["--git-dir", str(git_dir), *quietly, "--force", "--", remote.url, f"+{ref}:{kept}"],
        limits,
        settings=remote.settings,
        protocols=REMOTE_PROTOCOLS,
        more=remote.environment,
    )
    return kept


def commit_of(git_dir: Path, ref: str) -> str:
    """Return the commit that a ref stands for.

    Raises:
        SourceError: `no_commits` or `unknown_ref`.
    """
    resolve = ["--git-dir", str(git_dir), "rev-parse", "--verify", "--quiet"]
    try:
        return git([*resolve, f"{ref}^{{commit}}"], _QUICK).decode("ascii").strip()
    except SourceError as error:
        if not git(["--git-dir", str(git_dir), "rev-list", "--all", "--max-count=1"], _QUICK).strip():
            raise SourceError("no_commits", f"the repository {git_dir} has no commits yet; commit something") from error
        message = f"{ref!r} is no branch, tag or commit of {git_dir}; check `ref`"
        raise SourceError("unknown_ref", message) from error


def files_of(git_dir: Path, commit: str) -> list[TreeFile]:
    """List the regular files of a commit in the order of their paths."""
    output = git(["--git-dir", str(git_dir), "ls-tree", "-r", "-z", "-l", "--full-tree", commit], _QUICK)
    files = []
    for line in output.split(b"\0")[:-1]:
        head, _, path = line.partition(b"\t")
        mode, _, blob, size = head.split()
        if mode in _REGULAR_FILES:
            # The size of an object that is missing or damaged is "BAD"; reading it says what is wrong.
            bytes_in_it = int(size) if size.isdigit() else 0
            files.append(TreeFile(path.decode("utf-8", "backslashreplace"), blob.decode("ascii"), bytes_in_it))
    return sorted(files, key=lambda file: file.path)


class Blobs:
    """Reads blobs one after the other from one git process; a new one, where a damaged blob has ended it."""

    def __init__(self, git_dir: Path, timeout: float) -> None:
        self._git_dir = git_dir
        self._timeout = timeout
        self._process = self._started()

    def read(self, blob: str) -> bytes:
        """Return the content of a blob.

        Raises:
            SourceError: `unreadable`, the repository is damaged, or git hangs.
        """
        watch = threading.Timer(self._timeout, self._process.kill)
        watch.start()
        try:
            return self._ask(blob)
        except (OSError, SourceError) as error:
            stop(self._process)
            self._process = self._started()
            message = f"git cannot read the object {blob}; is the repository damaged? try git fsck ({error})"
            raise SourceError("unreadable", message) from error
        finally:
            watch.cancel()

    def _started(self) -> "subprocess.Popen[bytes]":
        # Nobody reads its complaints, and a full pipe would stop it.
        return start(["--git-dir", str(self._git_dir), "cat-file", "--batch"], complaints=subprocess.DEVNULL)

    def _ask(self, blob: str) -> bytes:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - both were opened as pipes
        assert stdout is not None  # noqa: S101
        stdin.write(f"{blob}\n".encode("ascii"))
        stdin.flush()
        head = stdout.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            raise SourceError("unreadable", b" ".join(head).decode("ascii", "replace") or "it ended")
        content = stdout.read(int(head[2]))
        if len(content) != int(head[2]) or stdout.read(1) != b"\n":
            raise SourceError("unreadable", "it stopped in the middle of it")
        return content

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(self._process)
