"""Find out what belongs to a target that is to be forgotten, and what is near a name that nobody knows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from llm_engineering.domain.erasure import Target, digest_of
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.records import DocumentRecord
from llm_engineering.domain.traces import Traces, ways_to_write
from llm_engineering.domain.users import user_named

# Names among which similar ones are looked for, at most: comparing is slow.
_COMPARED = 5_000


@dataclass(frozen=True)
class Belongings:
    """What belongs to a target: its documents and its traces, and live documents elsewhere with the same text."""

    documents: Sequence[DocumentRecord]
    traces: Traces
    twins: Sequence[DocumentRecord]

    @property
    def sources(self) -> set[str]:
        """The sources that have such documents."""
        return {document.source for document in self.documents} | self.traces.sources


def belongings(warehouse: Warehouse, target: Target) -> Belongings:
    """Return what belongs to a target.

    Documents that are gone from their source and had the same text are earlier names of the same document, and belong
    to it. Live ones are copies that somebody means to keep: they are named, so that people can decide. Copies that say
    something else by now lose the former versions that said the same.
    """
    documents = {document.id: document for document in _documents(warehouse, target)}
    texts: dict[str, int] = {}
    twins: dict[str, DocumentRecord] = {}
    new = set(documents)
    while new:
        texts |= {digest_of("text", text): len(text) for text in warehouse.texts_of(new)}
        others = [document for document in warehouse.with_texts(texts) if document.id not in documents]
        twins |= {document.id: document for document in others if document.live}
        new = {document.id for document in others if not document.live}
        documents |= {document.id: document for document in others if not document.live}
    said = {live.id: digest_of("text", live.text) for live in warehouse.documents(twins)}
    twins = {key: twin for key, twin in twins.items() if said.get(key) in texts}
    mine = list(documents.values())
    traces = Traces(
        target=target,
        document_ids=frozenset(documents),
        uris=_uris(warehouse, target, mine),
        sources=_sources(warehouse, target, mine),
        people=frozenset({target.name, user_named(target.name).full_name} if target.kind == "user" else ()),
        texts=frozenset(texts.keys() - said.values()),
    )
    return Belongings(mine, traces, list(twins.values()))


def is_known(warehouse: Warehouse, found: Belongings) -> bool:
    """Return whether anything of the target is, or was, in the warehouse."""
    target = found.traces.target
    return bool(
        found.documents
        or target.digest in warehouse.forgotten()
        or target.digest in {Target(kind=target.kind, name=name).digest for name in warehouse.known_names(target.kind)}
        or warehouse.runs_naming(found.traces)
    )


def unknown(warehouse: Warehouse, target: Target) -> UsageError:
    """Return the error for a target that nobody knows, with the names that are near."""
    what = {"uri": "document with this URI or id", "user": "user of this name", "source": "source of this name"}
    near = nearest(target.name, warehouse.known_names(target.kind))
    hint = f"near are: {', '.join(near)}" if near else f"the warehouse has no {what[target.kind].split()[0]} at all"
    return UsageError(f"{target.name!r}: there is no {what[target.kind]}; {hint}")


def nearest(name: str, names: Collection[str], most: int = 5) -> list[str]:
    """Return the names that somebody may have meant: those that hold it or its last part, else similar ones."""
    last = name.rstrip("/").rpartition("/")[2].casefold()
    holding = [other for other in names if last and last in other.casefold()]
    return (holding or get_close_matches(name, list(names)[:_COMPARED], n=most, cutoff=0.3) or sorted(names))[:most]


def _documents(warehouse: Warehouse, target: Target) -> Sequence[DocumentRecord]:
    if target.kind == "user":
        return warehouse.document_records("user", [user_named(target.name).id])
    if target.kind == "source":
        return warehouse.document_records("source", [target.name])
    return warehouse.document_records("uri", [target.name]) or warehouse.document_records("id", [target.name])


def _uris(warehouse: Warehouse, target: Target, documents: Sequence[DocumentRecord]) -> frozenset[str]:
    """Return the URIs that only these documents have. Records share theirs with the other records of a file."""
    mine = {document.id for document in documents}
    uris = {document.uri for document in documents}
    shared = {other.uri for other in warehouse.document_records("uri", uris) if other.id not in mine}
    is_uri = target.kind == "uri" and target.name not in mine
    return frozenset(uris - shared | ({target.name} if is_uri else set()))


def _sources(warehouse: Warehouse, target: Target, documents: Sequence[DocumentRecord]) -> frozenset[str]:
    """Return the names of sources that give the target away: a link is the name of its source."""
    if target.kind == "source":
        return frozenset({target.name})
    mine = {document.id for document in documents}
    places = {way for document in documents for way in ways_to_write(document.uri)}
    named = {document.source for document in documents}
    telling = {name for name in named if any(place in name for place in places)}
    if target.kind == "user":
        shared = {other.source for other in warehouse.document_records("source", named) if other.id not in mine}
        telling |= named - shared
    return frozenset(telling)
