"""Whether a local repository keeps to itself: a folder from elsewhere must not show us another repository's content.

A `.git` file, a link, or a list of alternates can point at any repository of this machine; its objects would then be
read as if they were part of the folder that was configured.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.git_command import Limits, git

_WHERE_CONTENT_IS = ("HEAD", "packed-refs", "refs", "objects")


def refuse_borrowed(folder: Path, git_dir: Path, common_dir: Path, limits: Limits) -> None:
    """Check that a repository's refs and objects lie in its own folder, or in the one whose worktree it is.

    Raises:
        SourceError: `git_refused`, with what points where.
    """
    home, own, shared = folder.resolve(), git_dir.resolve(), common_dir.resolve()
    if own.is_relative_to(home):
        rooms = [home]
    elif _acknowledges(own, home, limits):
        rooms = [own, shared] if own.is_relative_to(shared) else [own]
    else:
        raise _refused(f"{folder} keeps its repository in {own}, which does not know the folder as its worktree")
    if not any(shared.is_relative_to(room) for room in rooms):
        raise _refused(f"{folder} takes its objects from {shared}")
    for place in dict.fromkeys((own, shared)):
        _refuse_links(place, rooms)
    alternates = shared / "objects" / "info" / "alternates"
    if alternates.is_file() and alternates.read_bytes().strip():
        raise _refused(f"{alternates} lets it read the objects of other repositories; `git repack -a -d` ends that")


def _acknowledges(git_dir: Path, folder: Path, limits: Limits) -> bool:
    """Tell whether a repository elsewhere names the folder as its worktree, or as its submodule's."""
    back = git_dir / "gitdir"
    if back.is_file():
        named = back.read_text(encoding="utf-8", errors="surrogateescape").strip()
        return (git_dir / named).resolve() == folder / ".git"
    try:
        worktree = git(["--git-dir", str(git_dir), "config", "--get", "core.worktree"], limits)
    except SourceError:  # it is not set, or unreadable: nothing there names the folder
        return False
    return (git_dir / os.fsdecode(worktree).removesuffix("\n")).resolve() == folder


def _refuse_links(git_dir: Path, rooms: list[Path]) -> None:
    for link in _links(git_dir):
        target = Path(os.path.realpath(link))  # unlike `resolve`, it does not fail on links in a circle
        if not any(target.is_relative_to(room) for room in rooms):
            raise _refused(f"{link} is a link to {target}")


def _links(git_dir: Path) -> Iterator[Path]:
    for name in _WHERE_CONTENT_IS:
        top = git_dir / name
        if top.is_symlink():
            yield top
        for place, folders, files in os.walk(top):
            yield from (path for path in (Path(place, entry) for entry in (*folders, *files)) if path.is_symlink())


def _refused(what: str) -> SourceError:
    return SourceError(
        "git_refused", f"the repository reaches outside of its folder: {what}. Clone it, and read the clone"
    )
