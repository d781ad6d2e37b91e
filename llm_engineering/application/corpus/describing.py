"""Describe an index version by what can be counted, and by a sample that depends on its content alone.

The ids of chunks and documents are hashes, so those of the lowest ids are a fair sample, and the same one every time.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from math import ceil
from typing import cast

from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.corpus.boilerplate import measure_boilerplate
from llm_engineering.application.corpus.map import draw_map
from llm_engineering.domain.chunks import Point, Vector
from llm_engineering.domain.corpus import Corpus, CorpusReport, Count, LengthBin
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.ports import VectorIndex, Warehouse

SAMPLE = 2_500
BINS = 24
# Metadata that say in which language a document is; the first that is there counts.
LANGUAGE = ("language", "lang")
LONGEST_NAME = 40
MOST_LANGUAGES = 20
_BATCH = 500


def describe(plan: Plan, cleaning: Cleaning, index: VectorIndex, warehouse: Warehouse, key: str) -> Corpus:
    """Return the description of what the planned index version holds by now; `key` is kept with it.

    Raises:
        BackendError: store or warehouse failed.
    """
    version = plan.manifest.version
    chunks = 0
    sampled: list[tuple[Mapping[str, object], Vector]] = []
    ids: list[str] = []
    for one in warehouse.indexed_chunks(plan.collection, version):
        chunks += 1
        ids.append(one.chunk_id)
        if len(ids) >= 4 * SAMPLE:
            ids = nsmallest(SAMPLE, ids)
    ids = nsmallest(SAMPLE, ids)
    for start in range(0, len(ids), _BATCH):
        found = index.get(ids[start : start + _BATCH])
        sampled += [_needed(found[one]) for one in ids[start : start + _BATCH] if one in found]
    payloads = [payload for payload, _ in sampled]
    sources = _sources(plan, warehouse)
    lengths = [cast("int", payload.get("tokens", 0)) for payload in payloads]
    window = plan.manifest.model.max_tokens
    report = CorpusReport(
        collection=plan.collection,
        version=version,
        documents=sum(len(held) for held in sources.values()),
        chunks=chunks,
        sampled=len(sampled),
        window=window,
        longest=max(lengths, default=0),
        lengths=length_bins(lengths, window),
        sources=tuple(Count(name=name, count=len(held)) for name, held in sources.items()),
        languages=languages_of(payloads),
        duplicates=plan.duplicates,
        boilerplate=measure_boilerplate(sources, cleaning, warehouse),
    )
    drawn = draw_map([(str(payload.get("source", "")), vector) for payload, vector in sampled])
    return Corpus(key=key, report=report, map=drawn)


def _needed(point: Point) -> tuple[Mapping[str, object], Vector]:
    """Return what the description is made of: thousands of texts would take more memory than all the rest."""
    return {key: point.payload[key] for key in ("source", "tokens", "metadata") if key in point.payload}, point.dense


def _sources(plan: Plan, warehouse: Warehouse) -> Mapping[str, Sequence[str]]:
    """Return source → the ids of its documents that the version holds, in ascending order; most documents first."""
    held = {state.document_id for state in warehouse.indexed(plan.collection, plan.manifest.version)}
    sources: dict[str, list[str]] = {}
    for one in warehouse.listing() if held else ():
        if one.id in held:
            sources.setdefault(one.source, []).append(one.id)
    return {name: sorted(sources[name]) for name in sorted(sources, key=lambda name: (-len(sources[name]), name))}


def length_bins(lengths: Sequence[int], window: int) -> tuple[LengthBin, ...]:
    """Return how many chunks have which length, in bins of equal width from 1 to the window.

    A window that is far beyond the longest chunk is not drawn to its end, or all chunks would stand in one bin.
    """
    if not lengths:
        return ()
    longest = max(lengths)
    end = max(longest, min(window, 2 * longest), 1)
    # Bins of one width, if there is a number of them that divides the axis.
    bins = min((bins for bins in range(16, 33) if end % bins == 0), key=lambda bins: abs(bins - BINS), default=BINS)
    width = max(1, ceil(end / bins))
    counts = Counter(max(0, length - 1) // width for length in lengths)
    edges = [(at * width + 1, min(end, (at + 1) * width)) for at in range(ceil(end / width))]
    return tuple(LengthBin(low=low, high=high, chunks=counts[at]) for at, (low, high) in enumerate(edges))


def languages_of(payloads: Iterable[Mapping[str, object]]) -> tuple[Count, ...]:
    """Return how many chunks are in which language, as their metadata say; nothing if none says anything."""
    counts: Counter[str] = Counter()
    for payload in payloads:
        metadata = cast("Mapping[str, object]", payload.get("metadata") or {})
        named = next((metadata[name] for name in LANGUAGE if metadata.get(name)), "")
        counts[str(named).strip().casefold()[:LONGEST_NAME]] += 1
    if not counts.keys() - {""}:
        return ()
    ordered = sorted(((count, name) for name, count in counts.items() if name), key=lambda pair: (-pair[0], pair[1]))
    shown = [Count(name=name, count=count) for count, name in ordered[:MOST_LANGUAGES]]
    others = sum(count for count, _ in ordered[MOST_LANGUAGES:])
    more = [Count(name="other languages", count=others), Count(name="unknown", count=counts[""])]
    return (*shown, *(one for one in more if one.count))
