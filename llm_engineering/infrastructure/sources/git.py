"""Git repositories: a local one is read in place, a remote one from a bare clone in the state folder."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from llm_engineering.domain.documents import Document, Item, Metadata, NotModified, document_id
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources.contents import read_content
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.formats import DEFAULT_EXCLUDE, DEFAULT_INCLUDE
from llm_engineering.infrastructure.sources.git_command import Limits
from llm_engineering.infrastructure.sources.git_complaints import without_credentials
from llm_engineering.infrastructure.sources.git_objects import (
    Blobs,
    TreeFile,
    clone_of,
    commit_of,
    fetched_ref,
    files_of,
    local_git_dir,
)
from llm_engineering.infrastructure.sources.globs import is_below_any, matches_any
from llm_engineering.infrastructure.sources.incidents import incident
from llm_engineering.infrastructure.sources.naming import SourceName
from llm_engineering.infrastructure.sources.places import local_path
from llm_engineering.infrastructure.sources.tenancy import Tenant

_REMOTE = re.compile(r"(?i)(?:https?|ssh)://[^/]|[\w.-]+@[\w.-]+:(?!//)")
_OTHER_SCHEME = re.compile(r"(?i)(?!file:)[a-z][a-z0-9+.-]+:")


def _shown(url: str) -> str:
    """Return the URL under which the repository is known: a file URI for a local one; never credentials."""
    return without_credentials(url) if _REMOTE.match(url) or _OTHER_SCHEME.match(url) else local_path(url).as_uri()


def _uri(repository: str, file: TreeFile) -> str:
    return f"{repository}#{quote(file.path)}"


def _default_name(data: dict[str, Any]) -> str:
    ref = data.get("ref", "HEAD")
    return f"git:{_shown(data.get('url', ''))}" + (f"@{ref}" if ref != "HEAD" else "")


def _named(ref: str) -> str:
    if re.fullmatch(r"[^-\s~^:?*\[\\][^\s~^:?*\[\\]*", ref) is None:
        raise ValueError(f"{ref!r} is no ref; write the name of a branch or tag, or a commit, such as main or v1.2")
    return ref


class Git(Value):
    """A git repository: a document per file of one commit, read without a checkout. Submodules and links are not read.

    It calls the `git` of this machine with the user's own access (ssh keys, credential helpers, certificates) and
    nothing else of the user's configuration. Addresses go through the same guard as those of web pages; proxies and
    host aliases of ssh are not used.
    """

    kind: Literal["git"] = "git"
    url: str = Field(min_length=1, description="a local path, an https URL, or an ssh address (git@host:owner/repo)")
    ref: Annotated[str, AfterValidator(_named)] = Field(
        "HEAD", description="a branch, tag or commit; HEAD is the default branch"
    )
    include: tuple[str, ...] = Field(DEFAULT_INCLUDE, description="patterns of the files to read, as for `files`")
    exclude: tuple[str, ...] = Field(DEFAULT_EXCLUDE, description="patterns of files and folders to leave out")
    max_bytes: int = Field(10_000_000, gt=0, description="of one file; a larger one is rejected")
    max_repository_bytes: int = Field(2_000_000_000, gt=0, description="of the clone of a remote repository")
    timeout_seconds: float = Field(600.0, gt=0, description="for fetching the repository")
    name: SourceName = Field(
        default_factory=_default_name,
        description="what the documents are kept under; git:URL by default. Another name is another source",
    )
    tenant: Tenant = None

    def open(self, context: SourceContext) -> "GitSource":
        """Open the source; nothing is fetched yet."""
        return GitSource(self.name, self, context)


@dataclass
class GitSource:
    """Reads the files of a commit in the order of their paths."""

    name: str
    spec: Git
    context: SourceContext
    kind: str = "git"

    def read(self) -> Iterator[Item]:
        git_dir, ref = self._repository()
        commit = commit_of(git_dir, ref)
        files = [file for file in files_of(git_dir, commit) if self._is_wanted(file.path)]
        if not files:
            looked_for = ", ".join(self.spec.include[:8]) + (" …" if len(self.spec.include) > 8 else "")
            message = f"no file of {_shown(self.spec.url)} at {commit[:12]} matches {looked_for}; see include, exclude"
            raise SourceError("empty_source", message)
        repository = _shown(self.spec.url)
        with Blobs(git_dir, self.spec.timeout_seconds) as blobs:
            identities = (document_id(self.name, _uri(repository, file)) for file in files)
            for file, known in zip(files, self.context.known_in_pages(identities), strict=True):
                yield self._item(file, known, repository, commit, blobs)

    def _repository(self) -> tuple[Path, str]:
        """Return the folder with the repository's objects, up to date, and the ref to read there."""
        url, ref = self.spec.url, self.spec.ref
        if _REMOTE.match(url):
            git_dir = clone_of(url, self.context.home.resolve() / "git")
            return git_dir, self._fetched(git_dir)
        if _OTHER_SCHEME.match(url):
            message = (
                f"{_shown(url)} is no git address that is read; use a local path, https://… or git@host:owner/repo"
            )
            raise SourceError("bad_url", message)
        return local_git_dir(local_path(url)), ref

    def _fetched(self, git_dir: Path) -> str:
        """Fetch from the URL, or from where it redirects to, and return the ref in the clone."""
        from llm_engineering.infrastructure.sources.git_remote import redirected, remote

        spec, look_up = self.spec, self.context.fetching.timeout_seconds
        limits = Limits(spec.timeout_seconds, folder=git_dir, folder_bytes=spec.max_repository_bytes)
        try:
            return fetched_ref(git_dir, remote(spec.url, self.context.guard, look_up), spec.ref, limits)
        except SourceError as error:
            if error.reason != "redirects":
                raise
        url = redirected(spec.url, self.context.client)
        return fetched_ref(git_dir, remote(url, self.context.guard, look_up), spec.ref, limits)

    def _is_wanted(self, path: str) -> bool:
        return matches_any(path, self.spec.include) and not is_below_any(path, self.spec.exclude)

    def _refuse_large(self, file: TreeFile) -> None:
        if file.size > self.spec.max_bytes:
            raise SourceError("too_large", f"{file.size:,} bytes are more than {self.spec.max_bytes:,} (max_bytes)")

    def _item(self, file: TreeFile, known: Metadata, repository: str, commit: str, blobs: Blobs) -> Item:
        uri = _uri(repository, file)
        provenance = {"blob": file.blob, "reader": self.context.reader}
        if all(known.get(key) == value for key, value in provenance.items()):
            return NotModified(uri, self.name)
        try:
            self._refuse_large(file)
            content = read_content(blobs.read(file.blob), file.path, uri, self.context)
        except SourceError as error:
            return incident(error, uri, self.name)
        return Document(
            uri=uri,
            source=self.name,
            format=content.format,
            text=content.text,
            title=content.title,
            user_id=self.context.user_id,
            metadata={
                **self.context.authorship,
                "path": file.path,
                "repository": repository,
                # The commit at which this version was read. An unchanged blob is not read again, so it stays.
                "commit": commit,
                **content.metadata,
            },
            provenance={**provenance, **content.provenance},
        )
