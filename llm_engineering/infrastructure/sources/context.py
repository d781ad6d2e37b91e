"""What every source is opened with."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.ports import KnownProvenance, KnownProvenances
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.environment import with_secrets
from llm_engineering.infrastructure.fetching import Fetching

if TYPE_CHECKING:
    from llm_engineering.infrastructure.http import HttpClient
    from llm_engineering.infrastructure.network import Guard, Resolver
    from llm_engineering.infrastructure.parsers.documents import DocumentParser
    from llm_engineering.infrastructure.parsers.worker import HtmlParser

# Raise it when sources make another document of the same content than before: what is stored is then read again.
READER_VERSION = 8
_PAGE = 500


def nothing_known(document_id: str) -> Metadata | None:  # noqa: ARG001 - the signature of `KnownProvenance`
    """Know no document: every conditional request becomes a plain one."""
    return None


@dataclass(frozen=True)
class SourceContext:
    """The state folder, how to fetch, what the warehouse knows, and whose documents these are.

    The HTTP client and the parsers' processes are made on first use and shared by all sources of the context, so that
    pauses between requests and robots.txt hold for all of them together. `close` ends them; so does the end of the
    context's own life.
    """

    home: Path
    fetching: Fetching = field(default_factory=Fetching)
    known: KnownProvenance = nothing_known
    user_id: str = ""
    author: str = ""
    resolve: "Resolver | None" = None  # None is this machine's resolver; whatever it answers is checked
    known_many: KnownProvenances | None = None
    tenant: str = ""
    parent: "SourceContext | None" = None  # the context whose client and parser this one uses

    def of_tenant(self, tenant: str) -> "SourceContext":
        """Return this context for documents of a tenant. It needs no closing of its own."""
        return replace(self, tenant=tenant, parent=self) if tenant else self

    def known_in_pages(self, identities: Iterable[str]) -> Iterator[Metadata]:
        """Yield what is known of each document, in order; nothing of those that are new. Asks for many at once."""
        remaining = iter(identities)
        while page := list(islice(remaining, _PAGE)):
            if self.known_many is not None:
                found = self.known_many(page)
                yield from (found.get(identity, {}) for identity in page)
            else:
                yield from (self.known(identity) or {} for identity in page)

    @cached_property
    def guard(self) -> "Guard":
        """The guard of connections that this process does not open itself, such as git's."""
        from llm_engineering.infrastructure.network import Guard

        return Guard(self.fetching.private_hosts, self.fetching.ports, self.resolve)

    @cached_property
    def client(self) -> "HttpClient":
        """The HTTP client of all sources of this context."""
        from llm_engineering.infrastructure.http import HttpClient

        if self.parent is not None:
            return self.parent.client
        return HttpClient(self.fetching, resolve=self.resolve)

    @cached_property
    def parser(self) -> "HtmlParser":
        """The HTML parser of all sources of this context."""
        from llm_engineering.infrastructure.parsers.worker import HtmlParser

        if self.parent is not None:
            return self.parent.parser
        return HtmlParser(self.fetching.parse_timeout_seconds, self.fetching.parse_memory_mb, self.fetching.parsers)

    @cached_property
    def documents(self) -> "DocumentParser":
        """The parser of PDF, office files, e-mails, sitemaps and feeds of all sources of this context."""
        from llm_engineering.infrastructure.parsers.documents import DocumentParser

        if self.parent is not None:
            return self.parent.documents
        return DocumentParser(self.fetching.parse_timeout_seconds, self.fetching.parse_memory_mb, self.fetching.parsers)

    def share(self) -> None:
        """Make the parsers now, no process yet: threads that ask for them at once would each make their own."""
        _ = (self.parser, self.documents, self.reader)

    @cached_property
    def reader(self) -> str:
        """What besides the content decides a document: the version of the code and whose documents these are.

        Sources keep it in the provenance; a stored copy that another reader made is not taken for unchanged.
        """
        whose = [self.tenant] if self.tenant else []  # a document that goes to another tenant is read again
        return digest([READER_VERSION, self.user_id, self.author, *whose])[:16]

    @property
    def authorship(self) -> Metadata:
        """The author as metadata, if there is one."""
        return {"author": self.author} if self.author else {}

    def address(self, url: str) -> str:
        """Return a URL of the configuration as it is to be fetched: its secrets, `${env:NAME}`, filled in.

        The URL without them is what documents, reports and messages show.

        Raises:
            UsageError: an environment variable that it names is not set.
        """
        return with_secrets(url)

    def close(self) -> None:
        """Close the client and the parsers, if they were ever used."""
        for name in ("client", "parser", "documents"):
            if name in vars(self) and self.parent is None:
                vars(self).pop(name).close()
