"""One step from what was found: the chunks that mention what goes together with the entities of the best hits."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from llm_engineering.application.graph.entities import MOST_WORDS
from llm_engineering.domain.graphs import Entity, Mention, Relation

# What the question itself names counts so much more than what the best hit mentions.
ASKED = 2.0
_WORD = re.compile(r"[\w][\w'’.()/-]*")


@dataclass(frozen=True)
class Neighbourhood:
    """What is one step away: chunk id → how near, and the documents that these chunks are of."""

    chunks: Mapping[str, float] = field(default_factory=dict)
    documents: tuple[str, ...] = ()
    seeds: int = 0
    entities: int = 0


class GraphView:
    """A graph in memory, read once and never changed."""

    def __init__(
        self, mentions: Iterable[Mention], entities: Iterable[Entity], relations: Iterable[Relation], chunks: int
    ) -> None:
        self.chunks = chunks
        known = {entity.key for entity in entities}
        self._entities: dict[str, tuple[str, ...]] = {}
        self._document: dict[str, str] = {}
        self._chunks: dict[str, list[str]] = defaultdict(list)
        self._of_document: dict[str, list[str]] = defaultdict(list)
        for mention in mentions:
            keys = tuple(key for name in mention.entities if (key := name.casefold()) in known)
            self._entities[mention.chunk_id] = keys
            self._document[mention.chunk_id] = mention.document_id
            self._of_document[mention.document_id].append(mention.chunk_id)
            for key in keys:
                self._chunks[key].append(mention.chunk_id)
        self._near: dict[str, list[tuple[str, float]]] = defaultdict(list)
        self._linked: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for relation in relations:
            edges = self._near if relation.kind == "together" else self._linked
            edges[relation.first].append((relation.second, relation.weight))
            edges[relation.second].append((relation.first, relation.weight))

    def near(self, query: str, chunk_ids: Sequence[str], neighbours: int, limit: int) -> Neighbourhood:
        """Return at most `limit` chunks that mention one of the nearest entities, or stand in a linked document.

        The chunks given are the best hits, best first; none of them is among those returned.
        """
        seeds = self._seeds(query, chunk_ids)
        entities = self._neighbours(seeds, neighbours)
        scores: dict[str, float] = defaultdict(float)
        for key, score in entities:
            # What few chunks mention says more about each of them.
            share = score / len(self._chunks[key]) ** 0.5
            for chunk in self._chunks[key]:
                scores[chunk] += share
        for chunk, score in self._of_linked(chunk_ids):
            scores[chunk] += score
        for chunk in chunk_ids:
            scores.pop(chunk, None)
        best = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))[:limit]
        documents = tuple(sorted({self._document[chunk] for chunk in best}))
        return Neighbourhood({chunk: scores[chunk] for chunk in best}, documents, len(seeds), len(entities))

    def _seeds(self, query: str, chunk_ids: Sequence[str]) -> dict[str, float]:
        seeds: dict[str, float] = dict.fromkeys(self._named(query), ASKED)
        for rank, chunk in enumerate(chunk_ids):
            for key in self._entities.get(chunk, ()):
                seeds[key] = seeds.get(key, 0.0) + 1.0 / (1 + rank)
        return seeds

    def _named(self, query: str) -> list[str]:
        """Return the entities that a question names, the longest first where they overlap."""
        words = [match[0].rstrip(".").casefold() for match in _WORD.finditer(query)]
        found: list[str] = []
        at = 0
        while at < len(words):
            sizes = range(min(MOST_WORDS, len(words) - at), 0, -1)
            size = next((size for size in sizes if " ".join(words[at : at + size]) in self._chunks), 0)
            if size:
                found.append(" ".join(words[at : at + size]))
            at += size or 1
        return found

    def _neighbours(self, seeds: Mapping[str, float], most: int) -> list[tuple[str, float]]:
        scores: dict[str, float] = {key: score for key, score in seeds.items() if score >= ASKED}
        for seed, score in seeds.items():
            for key, weight in self._near.get(seed, ()):
                scores[key] = scores.get(key, 0.0) + score * weight
        return sorted(scores.items(), key=lambda one: (-one[1], one[0]))[:most]

    def _of_linked(self, chunk_ids: Sequence[str]) -> Iterable[tuple[str, float]]:
        for rank, chunk in enumerate(chunk_ids):
            for document, weight in self._linked.get(self._document.get(chunk, ""), ()):
                held = self._of_document[document]
                yield from ((one, weight / (1 + rank) / len(held) ** 0.5) for one in held)
