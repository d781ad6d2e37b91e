"""What is to be forgotten, how its return is recognised, and the account of an erasure."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from llm_engineering.domain.documents import Document, Item, Rejection
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.users import user_named
from llm_engineering.domain.value import Value

# What stands where a name or an address stood.
MASK = "(forgotten)"

TargetKind = Literal["uri", "user", "source"]


class Target(Value):
    """What somebody wants to have forgotten: a document (by URI or id), a user (by name), or a whole source."""

    kind: TargetKind
    name: str

    @property
    def digest(self) -> str:
        """The digest that stands for the target where its name must not."""
        return digest_of(self.kind, self.name if self.kind != "user" else user_named(self.name).id)


def digest_of(kind: str, name: str) -> str:
    """Return the SHA-256 under which a name of some kind is remembered as forgotten, as 64 hex digits."""
    return sha256(f"{kind} {name}".encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Forgotten:
    """The digests of everything that was ever forgotten. An empty set costs the ingestion nothing."""

    digests: Collection[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.digests)

    def has(self, kind: str, name: str) -> bool:
        """Return whether this document, URI, text, user (by id) or source was forgotten."""
        return bool(self.digests) and digest_of(kind, name) in self.digests

    def hides(self, item: Item) -> bool:
        """Return whether an item of a source must not come back, by any of its names or by its text."""
        if not self.digests:
            return False
        if self.has("source", item.source) or self.has("uri", item.uri):
            return True
        if not isinstance(item, Document):
            return self.has("document", item.document_id)
        return (
            self.has("document", item.id)
            or self.has("text", item.text)
            or any(self.has("user", user) for user in authors_of(item.user_id, item.metadata.get("author")))
        )


def authors_of(user_id: str, author: object) -> Iterator[str]:
    """Yield the ids of the users who wrote a document: whose it is, and whom its metadata name as its author."""
    if user_id:
        yield user_id
    if isinstance(author, str) and author.strip():
        yield user_named(author).id


def masked(item: Item, identity: str) -> Rejection:
    """Return the rejection that accounts for a forgotten item without naming it."""
    detail = "it was erased and must not come back (python -m tools.forget)"
    return Rejection(MASK, item.source, "forgotten", detail, key=digest_of("document", identity)[:16])


class Found(Value):
    """What one place holds of a target: `count` of `what`, and the place's own names for them."""

    place: str
    what: str
    items: tuple[str, ...] = ()
    count: int = 0

    def with_items(self, items: Iterable[str]) -> "Found":
        """Return this finding with other items."""
        unique = tuple(dict.fromkeys(items))
        return self.model_copy(update={"items": unique, "count": len(unique)})

    def __str__(self) -> str:
        return f"{self.place}: {self.count} {self.what}"


class ErasureReport(Value):
    """The account of an erasure, or what one would do.

    `derivatives` used the documents and are still there; `twins` are other documents with the same text.
    """

    run: int
    target: Target
    dry_run: bool = False
    documents: int = 0
    found: tuple[Found, ...] = ()
    derivatives: tuple[Derivative, ...] = ()
    twins: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
