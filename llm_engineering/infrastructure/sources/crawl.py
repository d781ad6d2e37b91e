"""Sends a link to the crawler that knows it: a git repository, a file or folder, and last the plain web article."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.files import Files
from llm_engineering.infrastructure.sources.git import Git
from llm_engineering.infrastructure.sources.places import local_path
from llm_engineering.infrastructure.sources.web import Web

KINDS = "a git repository (https://github.com/owner/repo, git@host:owner/repo), a file or folder, or an http(s) article"

_SSH = re.compile(r"ssh://[^/]|[\w.-]+@[\w.-]+:(?!//)")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_FORGES = frozenset({"github.com", "gitlab.com", "bitbucket.org", "codeberg.org"})
# First parts of a path that are pages of the forge itself and no owners.
_NO_OWNERS = re.compile(
    r"(?i)(about|apps|collections|contact|customer-stories|dashboard|enterprise|events|explore|features|groups|help|"
    r"issues|login|marketplace|notifications|orgs|organizations|pricing|pulls|readme|search|security|settings|"
    r"sponsors|stars|team|topics|trending|users)"
)


def source_for_link(link: str, *, name: str = "") -> Git | Files | Web:
    """Return the source of a link, under the given name or its own default one.

    Raises:
        SourceError: `bad_url` if nothing here reads such a link, `missing` if it is a path and nothing is there.
    """
    text = link.strip()
    for crawler in (_git, _local, _web):
        if (found := crawler(text)) is not None:
            return found.model_copy(update={"name": name}) if name else found
    raise _unknown(text)


def _git(link: str) -> Git | None:
    """A repository by ssh, on a known forge, or by an address that ends in `.git`; or a local one."""
    if _SSH.match(link):
        return Git(url=link)
    if link.lower().startswith(("http://", "https://")):
        return _forge(link)
    path = _path(link)
    if path is not None and ((path / ".git").exists() or (path.suffix == ".git" and (path / "HEAD").is_file())):
        return Git(url=str(path))
    return None


def _forge(link: str) -> Git | None:
    try:
        url = urlsplit(link)
        host = (url.hostname or "").removeprefix("www.")
    except ValueError:  # no URL; the web crawler says so
        return None
    parts = [part for part in url.path.split("/") if part]
    if parts and parts[-1].endswith(".git") and len(parts[-1]) > 4:
        return Git(url=url._replace(path="/" + "/".join(parts), query="", fragment="").geturl())
    if host not in _FORGES or len(parts) < 2 or _NO_OWNERS.fullmatch(parts[0]):
        return None
    ref = "HEAD"
    if len(parts) == 4 and parts[2] == "tree":
        parts, ref = parts[:2], unquote(parts[3])
    is_repository = "-" not in parts if host == "gitlab.com" else len(parts) == 2  # GitLab has groups in groups
    return Git(url=f"https://{host}/{'/'.join(parts)}", ref=ref) if is_repository else None


def _local(link: str) -> Files | None:
    path = _path(link)
    if path is None:
        return None
    if not path.exists():
        raise SourceError(
            "missing", f"{link!r} leads to {path}, where nothing is; a link to a page begins with https://"
        )
    return Files(root=path)


def _path(link: str) -> Path | None:
    """Return what the link means as a path, or None if it has another scheme than file, or none at all."""
    if link.lower().startswith("file:"):
        return Path(unquote(urlsplit(link).path)).resolve()
    if not link or "\0" in link or _SCHEME.match(link):
        return None
    return local_path(link)


def _web(link: str) -> Web | None:
    if not link.lower().startswith(("http://", "https://")):
        return None
    from llm_engineering.infrastructure.http.urls import normalised

    return Web(urls=(link,), name=f"web:{normalised(link)}")


def _unknown(link: str) -> SourceError:
    scheme = _SCHEME.match(link)
    what = f"has the scheme {scheme.group(1)!r}" if scheme else "is no link"
    return SourceError("bad_url", f"{link[:200]!r} {what}; a link is {KINDS}")
