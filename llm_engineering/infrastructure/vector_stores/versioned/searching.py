"""The best rows under a condition that an engine may express only in part."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import nsmallest
from math import log

from llm_engineering.domain.chunks import SparseVector
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.infrastructure.vector_stores.conditions.matching import fulfils
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine, Row

FIRST = 64
MORE = 8


def best_of(
    engine: Engine,
    ask: Callable[[int], Sequence[ScoredPoint]],
    score: Callable[[Row], float],
    rows: Callable[[], Iterator[Row]],
    wanted: Condition,
    limit: int,
) -> Sequence[ScoredPoint]:
    """Return the `limit` best hits that fulfil the condition: as the engine finds them, or, where it lets too much
    through, from more and more of its hits; where even its largest answer holds too few, from all rows."""
    most = engine.capabilities.largest_search
    if engine.expresses(wanted):
        if limit <= most:
            return ask(limit)
    else:
        asked = min(max(FIRST, 4 * limit), most)
        while limit <= most:
            hits = ask(asked)
            good = [hit for hit in hits if fulfils(hit.payload, wanted)]
            if len(good) >= limit or len(hits) < asked:
                return good[:limit]
            if asked == most:
                break
            asked = min(asked * MORE, most)
    scored = ((-score(row), row.id, row.payload) for row in rows())
    found = nsmallest(limit, scored, key=lambda hit: hit[:2])
    return [ScoredPoint(known, -negative, payload) for negative, known, payload in found]


class Frequencies:
    """How many rows hold a term, among those that a reader sees: counted once where they cannot change."""

    def __init__(self, engine: Engine, table: str) -> None:
        self._engine = engine
        self._table = table
        self._total = 0
        self._holders: dict[int, int] = {}

    def weighted(self, query: SparseVector, seen: Condition, *, keep: bool) -> Mapping[int, float]:
        """Multiply a query by the inverse document frequency `ln(1 + (N - n + 0.5) / (n + 0.5))`."""
        if not keep:
            self._holders = {}
        if missing := [term for term in query.indices if term not in self._holders]:
            self._total, holders = self._engine.frequencies(self._table, missing, seen)
            self._holders |= {term: holders.get(term, 0) for term in missing}
        pairs = ((term, value, self._holders[term]) for term, value in zip(query.indices, query.values, strict=True))
        total = self._total
        return {term: value * log(1 + (total - holders + 0.5) / (holders + 0.5)) for term, value, holders in pairs}
