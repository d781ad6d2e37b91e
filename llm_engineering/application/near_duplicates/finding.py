"""The near-duplicates of one state of the documents; of the state of the last time, they are remembered."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from pydantic import Field

from llm_engineering.application.near_duplicates.comparing import Comparing
from llm_engineering.application.near_duplicates.settings import NearDuplicates
from llm_engineering.application.near_duplicates.signatures import SIGNATURES, Signatures, brought_up_to_date
from llm_engineering.domain.corpus import DuplicatesReport, NearDuplicate
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.value import Value, digest, digest_of_rows

EXAMPLES = 100


class Found(Value):
    """The near-duplicates of one state of the documents: id → the one that is kept, and how alike they are."""

    key: str = ""
    duplicates: dict[str, tuple[str, float]] = Field(default_factory=dict)
    report: DuplicatesReport = Field(default_factory=DuplicatesReport)


class Memory(Protocol):
    """Where signatures and the last outcome are kept from one run to the next. Losing them costs time only."""

    def last(self) -> Found: ...

    def signatures(self) -> Signatures: ...

    def keep(self, found: Found, signatures: Signatures) -> None: ...


def find(
    states: Mapping[str, str],
    sources: Sequence[str] | None,
    settings: NearDuplicates,
    warehouse: Warehouse,
    memory: Memory,
) -> Found:
    """Return the near-duplicates among live documents (id → content hash).

    Nothing is read and nothing computed if the documents are those of the last time; otherwise only what is new is
    read, and what has to be compared word for word.
    """
    state = digest_of_rows(sorted(states.items()))
    key = digest([SIGNATURES, settings.model_dump(mode="json"), list(sources or ()), state])
    if (last := memory.last()).key == key:
        return last
    signatures = brought_up_to_date(memory.signatures(), states, settings, warehouse)
    names = _in_order(states, sources, warehouse)
    comparing = Comparing(signatures, settings, warehouse)
    duplicates = comparing.run(list(names))
    signatures.likenesses = comparing.used
    found = Found(key=key, duplicates=duplicates, report=_report(duplicates, names, settings))
    memory.keep(found, signatures)
    return found


def _in_order(
    states: Collection[str], sources: Sequence[str] | None, warehouse: Warehouse
) -> dict[str, tuple[str, str]]:
    """Return id → (source, address) of the documents, in the order in which the first one is kept."""
    rank = {name: place for place, name in enumerate(sources or ())}
    listed = (
        (rank.get(one.source, len(rank)), one.source, one.uri, one.key, one.id)
        for one in warehouse.listing()
        if one.id in states
    )
    return {one: (source, f"{uri}#{key}" if key else uri) for _, source, uri, key, one in sorted(listed)}


def _report(
    duplicates: Mapping[str, tuple[str, float]], names: Mapping[str, tuple[str, str]], settings: NearDuplicates
) -> DuplicatesReport:
    examples = []
    for one in [document for document in names if document in duplicates][:EXAMPLES]:
        kept, similarity = duplicates[one]
        (source, uri), (kept_source, kept_uri) = names[one], names[kept]
        examples.append(
            NearDuplicate(uri=uri, source=source, kept_uri=kept_uri, kept_source=kept_source, similarity=similarity)
        )
    return DuplicatesReport(
        action=settings.action,
        threshold=settings.threshold,
        documents=len(names),
        duplicates=len(duplicates),
        repeated=len({kept for kept, _ in duplicates.values()}),
        left_out=len(duplicates) if settings.leaves_out else 0,
        examples=tuple(examples),
    )
