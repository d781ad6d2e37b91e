"""Build the graph from what the chunks mention: which entities count, and what belongs together how much."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from llm_engineering.application.graph.settings import EntityGraph
from llm_engineering.domain.graphs import Entity, Mention, Relation

# An entity in fewer chunks than this is never too frequent.
FREQUENT = 20
# Pairs that are counted together before their counts are added up: 32 MB.
_PAIRS = 4_000_000

_Pairs = NDArray[np.int64]


@dataclass
class Graph:
    """The nodes and edges of a graph, in an order that depends on nothing but what they are."""

    entities: list[Entity] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)


def build(mentions: Sequence[Mention], settings: EntityGraph) -> Graph:
    """Return the graph of what the chunks mention; the order of the mentions makes no difference."""
    entities = _entities(mentions, settings)
    return Graph(entities, [*_together(mentions, entities, settings), *_links(mentions)])


def _entities(mentions: Iterable[Mention], settings: EntityGraph) -> list[Entity]:
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    documents: dict[str, set[str]] = defaultdict(set)
    total = 0
    for mention in mentions:
        total += 1
        for name in mention.entities:
            forms[name.casefold()][name] += 1
            documents[name.casefold()].add(mention.document_id)
    most = max(FREQUENT, settings.most_share * total)
    return [
        Entity(key, min(counts, key=lambda name: (-counts[name], name)), counts.total(), len(documents[key]))
        for key, counts in sorted(forms.items())
        if settings.least_chunks <= counts.total() <= most
    ]


def _together(mentions: Iterable[Mention], entities: Sequence[Entity], settings: EntityGraph) -> Iterator[Relation]:
    """Yield the strongest relations of each entity, by the keys of both."""
    number = {entity.key: place for place, entity in enumerate(entities)}
    size = len(entities)
    pairs, counts = _counted(_pairs(mentions, number), size)
    if not len(pairs):
        return
    first, second = pairs // size, pairs % size
    chunks = np.array([entity.chunks for entity in entities], dtype=np.float64)
    weights = np.round(counts / np.sqrt(chunks[first] * chunks[second]), 6)
    kept = np.zeros(len(pairs), dtype=bool)
    for side in (first, second):
        # The edges of each entity from the strongest to the weakest; equal ones in the order of both.
        order = np.lexsort((pairs, -weights, side))
        begins = np.searchsorted(side[order], side[order], side="left")
        kept[order[np.arange(len(order)) - begins < settings.per_entity]] = True
    for at in np.flatnonzero(kept).tolist():
        one, other = entities[int(first[at])].key, entities[int(second[at])].key
        yield Relation("together", one, other, int(counts[at]), float(weights[at]))


def _pairs(mentions: Iterable[Mention], number: dict[str, int]) -> Iterator[int]:
    """Yield each pair of entities of each chunk as one number, the lower entity first."""
    size = len(number)
    for mention in mentions:
        known = sorted({number[key] for name in mention.entities if (key := name.casefold()) in number})
        yield from (one * size + other for one, other in combinations(known, 2))


def _counted(pairs: Iterable[int], size: int) -> tuple[_Pairs, _Pairs]:
    """Return the distinct pairs, ascending, and how often each comes; in bounded memory for those that repeat."""
    known, counts = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    iterator = iter(pairs) if size else iter(())
    while len(block := np.fromiter(islice(iterator, _PAIRS), dtype=np.int64)):
        fresh, more = np.unique(block, return_counts=True)
        together, inverse = np.unique(np.concatenate([known, fresh]), return_inverse=True)
        counts = np.bincount(inverse, weights=np.concatenate([counts, more])).astype(np.int64)
        known = together
    return known, counts


def _links(mentions: Sequence[Mention]) -> Iterator[Relation]:
    """Yield the links between documents of the index, by their ids."""
    # Records of one file share its address: a link leads to none of them alone.
    owners: dict[str, set[str]] = defaultdict(set)
    for mention in mentions:
        owners[mention.uri].add(mention.document_id)
    counts: Counter[tuple[str, str]] = Counter()
    for mention in mentions:
        for target in mention.links:
            other = owners.get(target, set())
            if len(other) == 1 and (document := next(iter(other))) != mention.document_id:
                counts[mention.document_id, document] += 1
    out, into = Counter[str](), Counter[str]()
    for (source, target), count in counts.items():
        out[source] += count
        into[target] += count
    for (source, target), count in sorted(counts.items()):
        yield Relation("link", source, target, count, round(count / sqrt(out[source] * into[target]), 6))
