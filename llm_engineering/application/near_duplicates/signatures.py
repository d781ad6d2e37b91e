"""Signatures of documents: short, and as alike as the documents are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llm_engineering.application.datasets.likeness import HASHES, signature_of
from llm_engineering.application.near_duplicates.settings import NearDuplicates
from llm_engineering.domain.ports import Warehouse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Raise this when the same documents get other signatures.
SIGNATURES = 1


@dataclass
class Signatures:
    """What is kept of each document: its content hash, its group, and its signature, (documents, HASHES).

    `likenesses` are those found so far, by both content hashes. Signatures are cut to 32 bits: 512 bytes a document.
    """

    ids: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    groups: "NDArray[np.uint64] | None" = None
    rows: "NDArray[np.uint32] | None" = None
    likenesses: dict[tuple[str, str], float] = field(default_factory=dict)


def brought_up_to_date(
    known: Signatures, states: Mapping[str, str], settings: NearDuplicates, warehouse: Warehouse
) -> Signatures:
    """Return the signatures of these documents: known ones where the content is the same, and the rest made now."""
    import numpy as np

    good = [row for row, one in enumerate(known.ids) if states.get(one) == known.hashes[row]]
    ids = [known.ids[row] for row in good]
    missing = states.keys() - set(ids)
    # Filled in place: small arrays, one for each document, would leave the memory in pieces that nobody can use.
    rows = np.zeros((len(states), HASHES), dtype=np.uint32)
    groups = np.zeros(len(states), dtype=np.uint64)
    if good and known.rows is not None and known.groups is not None:
        np.take(known.rows, good, axis=0, out=rows[: len(good)])
        np.take(known.groups, good, out=groups[: len(good)])
    for document in warehouse.documents(missing) if missing else ():
        groups[len(ids)] = settings.group(document)
        rows[len(ids)] = signature_of(settings.keys(document)) >> np.uint64(32)
        ids.append(document.id)
    return Signatures(ids, [states[one] for one in ids], groups[: len(ids)], rows[: len(ids)], known.likenesses)
