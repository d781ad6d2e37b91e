"""One search, stage by stage: read the question, find candidates, order them, choose, widen, judge."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from llm_engineering.application.retrieval.answerability import LARGE
from llm_engineering.application.retrieval.candidates import Tokenize, Wording, hits_of, search
from llm_engineering.application.retrieval.filters import payload_filter
from llm_engineering.application.retrieval.iterative import settled
from llm_engineering.application.retrieval.means import Means
from llm_engineering.application.retrieval.parents import Parents
from llm_engineering.application.retrieval.self_query import condition_on
from llm_engineering.application.retrieval.settings import Retrieval
from llm_engineering.application.retrieval.tracing import Trace
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.conditions import Condition, In, both
from llm_engineering.domain.ports import Embedder, VectorIndex
from llm_engineering.domain.queries import Hit, Retrieved


@dataclass
class Search:
    """One search on its way. `asked` are the wordings so far, the question first.

    `condition` is what the caller may see and asked for; a stage may narrow it and go back to it, never beyond.
    """

    query: str
    index: VectorIndex
    embedder: Embedder | None
    tokenize: Tokenize
    settings: Retrieval
    wanted: int
    means: Means
    condition: Condition
    trace: Trace = field(default_factory=Trace)
    asked: list[Wording] = field(default_factory=list)

    def run(self) -> Retrieved:
        others = self._expanded()
        self._find(others, self._read())
        hits = self._diverse(self._reranked(self._neighboured(self._iterated())))
        hits = self._widened(hits)[: self.wanted]
        answerable, confidence = self._judged(hits)
        version = self.index.manifest.version
        return Retrieved(self.query, tuple(hits), answerable, confidence, version, self.trace.stages)

    def _expanded(self) -> tuple[str, ...]:
        """Return the question in other words."""
        settings = self.settings.expansion
        if settings is None:
            return ()
        others: tuple[str, ...] = ()
        with self.trace.stage("expansion", 1, optional=True) as notes:
            others = settings.variants(self.query, self.means.ask)
            notes.left = 1 + len(others)
            notes.detail |= {f"wording {number}": text for number, text in enumerate(others, start=1)}
        return others

    def _read(self) -> Condition:
        """Return the condition, limited further to what the question names."""
        settings, narrowed = self.settings.self_query, self.condition
        if settings is None:
            return narrowed
        with self.trace.stage("self_query", optional=True) as notes:
            if self.means.facets is None:
                notes.detail["left_out"] = "the values of the index are not known here"
                return narrowed
            read = settings.read(self.query, self.means.facets(), self.means.ask)
            notes.detail |= {name: ", ".join(values) for name, values in read.items()}
            notes.left = len(read)
            narrowed = both(self.condition, payload_filter(condition_on(read)))
        return narrowed  # noqa: RET504 - the stage may have failed before it read anything

    def _find(self, others: Sequence[str], narrowed: Condition) -> None:
        """Search with the question and its other wordings; without what was read, if that leaves nothing."""
        weight = self.settings.expansion.weight if self.settings.expansion else 1.0
        with self.trace.stage("candidates") as notes:
            self._ask(self.query, 1.0, narrowed)
            if not len(self.asked[0]) and narrowed != self.condition:
                self.asked.clear()
                notes.detail["self_query_dropped"] = True
                narrowed = self.condition
                self._ask(self.query, 1.0, narrowed)
            for text in others:
                self._ask(text, weight, narrowed)
            first = self.asked[0].rankings
            notes.detail |= {method: len(ranking) for method, ranking in first.items()}
            notes.left = sum(map(len, self.asked))
        self.condition = narrowed

    def _ask(self, text: str, weight: float, condition: Condition) -> None:
        means = (self.index, self.embedder, self.tokenize, self.settings, condition)
        self.asked.append(search(text, weight, *means, self.settings.depth(self.wanted)))

    def _fused(self) -> list[Hit]:
        with self.trace.stage("fusion", sum(map(len, self.asked))) as notes:
            hits = hits_of(self.asked, self.settings, self._depth())
            notes.left = len(hits)
        return hits

    @property
    def _parents(self) -> Parents | None:
        """How hits are widened; those of an index with parents of its own always are."""
        chunking = self.index.manifest.settings.get("chunking")
        stored = isinstance(chunking, Mapping) and chunking.get("kind") == "parent_child"
        return self.settings.parents or (Parents() if stored else None)

    def _depth(self) -> int:
        """Return how many hits the stages after the fusion look at."""
        reranked = self.means.reranking.candidates if self.means.reranking else 0
        chosen = self.settings.mmr.candidates if self.settings.mmr else 0
        merged = 2 * self.wanted if self._parents else 0
        return max(self.wanted, reranked, chosen, merged)

    def _iterated(self) -> list[Hit]:
        """Return the fused hits, after further rounds if they are not enough."""
        hits, settings = self._fused(), self.settings.iterative
        for _ in range(settings.rounds if settings else 0):
            assert settings is not None  # noqa: S101 - no round without settings
            if settled(settings, hits):
                break
            text: str | None = None
            with self.trace.stage("iterative", len(hits), optional=True) as notes:
                asked = [wording.text for wording in self.asked]
                text = settings.next(self.query, asked, hits, self.means.ask)
                if text is None or text in asked:
                    notes.detail["stopped"] = "nothing else to ask"
                    text = None
                else:
                    self._ask(text, settings.weight, self.condition)
                    notes.detail["asked"] = text
                    notes.left = len(self.asked[-1])
            if text is None:
                break
            hits = self._fused()
        return hits

    def _neighboured(self, hits: list[Hit]) -> list[Hit]:
        """Return the hits after a look at what is one step away from the best of them in the entity graph.

        Their passages are searched like all others, under the same condition, so nobody sees more than he may.
        """
        settings = self.settings.neighbours
        if settings is None:
            return hits
        with self.trace.stage("neighbours", len(hits), optional=True) as notes:
            graph = self.means.graph() if self.means.graph else None
            if graph is None:
                notes.detail["left_out"] = "this index version has no entity graph; add a section `graph` and run again"
                return hits
            best = [hit.chunk_id for hit in hits[: settings.seeds]]
            near = graph.near(self.query, best, settings.entities, settings.chunks)
            known = {hit.chunk_id for hit in hits}
            if near.chunks:
                found = self._among(near.chunks, near.documents, settings.weight)
                if len(found):
                    self.asked.append(found)
            hits = self._fused() if near.chunks else hits
            notes.left = len(hits)
            notes.detail |= {"seeds": near.seeds, "entities": near.entities, "passages": len(near.chunks)}
            notes.detail["added"] = sum(hit.chunk_id not in known for hit in hits)
        return hits

    def _among(self, chunks: Collection[str], documents: Collection[str], weight: float) -> Wording:
        """Search some chunks of some documents, whatever their rank among all."""
        condition = both(self.condition, In(field="document_id", values=tuple(documents)))
        means = (self.index, self.embedder, self.tokenize, self.settings, condition)
        found = search(self.query, weight, *means, self.settings.depth(self.wanted))
        rankings = {
            method: [point for point in ranking if point.id in chunks] for method, ranking in found.rankings.items()
        }
        return Wording(self.query, weight, rankings)

    def _reranked(self, hits: list[Hit]) -> list[Hit]:
        reranking = self.means.reranking
        if reranking is None:
            return hits
        with self.trace.stage("rerank", len(hits), optional=True) as notes:
            notes.detail["model"] = reranking.reranker.name
            best = hits[0].chunk_id if hits else ""
            hits = reranking.rerank(self.query, hits, self._least())
            notes.left = len(hits)
            notes.detail["moved"] = bool(hits) and hits[0].chunk_id != best
        return hits

    def _least(self) -> int:
        """Return how many hits must be left for the stages that follow."""
        return 2 * self.wanted if self._parents else self.wanted

    def _diverse(self, hits: list[Hit]) -> list[Hit]:
        if self.settings.mmr is None:
            return hits
        with self.trace.stage("mmr", len(hits)) as notes:
            best = {hit.chunk_id for hit in hits[: self.wanted]}
            hits = self.settings.mmr.select(hits, self._least(), self._vectors)
            notes.left = len(hits)
            notes.detail["exchanged"] = len(best - {hit.chunk_id for hit in hits[: self.wanted]})
        return hits

    def _judged(self, hits: list[Hit]) -> tuple[bool, float | None]:
        """Return whether the question itself, not its other wordings, is answered. Nothing answers nothing."""
        settings, model = self.settings.answerability, self.index.manifest.model.name
        if settings is None:
            return bool(hits), None
        with self.trace.stage("answerability", len(hits)) as notes:
            if not settings.fits(model):
                notes.detail["left_out"] = f"it was calibrated for {settings.model}, the index has vectors of {model}"
                return bool(hits), None
            passages = self.means.passages() if self.means.passages else LARGE
            answerable, confidence = settings.judge(self.query, self.asked[0].rankings, hits, passages)
            notes.detail |= {"answerable": answerable, "confidence": confidence}
        return answerable, confidence

    def _vectors(self, ids: Iterable[str]) -> dict[str, Vector]:
        return {key: point.dense for key, point in self.index.get(list(ids)).items()}

    def _widened(self, hits: list[Hit]) -> list[Hit]:
        parents = self._parents
        if parents is None:
            return hits
        with self.trace.stage("parents", len(hits), optional=True) as notes:
            if self.means.documents is None:
                notes.detail["left_out"] = "the documents are not at hand here"
            else:
                hits = parents.widen(hits, self.wanted, self.means.documents)
                notes.left = len(hits)
        return hits
