"""What a search finds for a question: the passage that answers it best, and those that only look alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_engineering.application.datasets.corpus import Corpus, Passage
from llm_engineering.application.datasets.likeness import jaccard
from llm_engineering.application.evaluation import Searching
from llm_engineering.application.retrieval import Retrieval, retrieve
from llm_engineering.domain.access import ALL
from llm_engineering.domain.conditions import And, Eq
from llm_engineering.domain.datasets import AskedQuestion
from llm_engineering.domain.queries import Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Passages of one document count once, so more than the last rank are asked for.
PASSAGES_PER_DOCUMENT = 2


@dataclass(frozen=True)
class Searcher:
    """The search of one index version, as it stands before anything is trained."""

    corpus: Corpus
    searching: Searching
    retrieval: Retrieval

    def found(self, asked: AskedQuestion, last: int) -> list[Hit]:
        """Return the best passage of each of the best documents, best first, at most `last`."""
        best: dict[str, Hit] = {}
        for hit in self._hits(asked, PASSAGES_PER_DOCUMENT * last):
            if hit.chunk_id in self.corpus.places:
                best.setdefault(hit.document_id, hit)
        return list(best.values())[:last]

    def best_of(self, asked: AskedQuestion, passages: Sequence[Passage]) -> Passage:
        """Return the passage of one document that the search ranks first for a question."""
        if len(passages) == 1:
            return passages[0]
        by_id = {passage.id: passage for passage in passages}
        for hit in self._hits(asked, 2 * len(passages), passages[0].document_id):
            if hit.chunk_id in by_id:
                return by_id[hit.chunk_id]
        return passages[0]

    def cosines(self, question: str) -> "NDArray[np.float32] | None":
        """Return the cosine of a question with every passage, or None for a search without vectors."""
        if self.searching.embedder is None:
            return None
        import numpy as np

        vector = np.asarray(self.searching.embedder.embed_query(question), dtype=np.float32)
        return self.corpus.vectors @ (vector / max(float(np.linalg.norm(vector)), 1e-12))

    def _hits(self, asked: AskedQuestion, k: int, document: str = "") -> Sequence[Hit]:
        # A limit to one document stands for the filter: the document is known to fulfil it.
        limits = And(conditions=(Eq(field="document_id", value=document),)) if document else dict(asked.filter)
        settings = self.retrieval.model_copy(update={"pool": k})
        one = self.searching
        return retrieve(asked.question, one.index, one.embedder, one.tokenize, settings, limits, k, access=ALL).hits


def plain(retrieval: Retrieval) -> Retrieval:
    """Return the search without what asks a model or changes what hits are: candidates and their fusion alone."""
    stages = ("self_query", "expansion", "iterative", "mmr", "parents", "answerability", "rerank")
    known = [name for name in stages if name in type(retrieval).model_fields]
    return retrieval.model_copy(update=dict.fromkeys(known))


def negatives(
    hits: Sequence[Hit],
    positive: Passage,
    corpus: Corpus,
    cosines: "NDArray[np.float32] | None",
    is_other: Callable[[Passage], bool],
    margin: float,
    likeness: float,
) -> list[Passage]:
    """Return the passages among hits that do not answer, in their order.

    Left out is what may answer all the same: passages that `is_other` denies, that nearly repeat the positive, or that
    score more than `margin` of what the positive scores (positive-aware, as in NV-Retriever, Moreira et al. 2024).
    """
    scores = {hit.chunk_id: hit.score for hit in hits}

    def score(passage: Passage) -> float:
        return float(cosines[corpus.places[passage.id]]) if cosines is not None else scores.get(passage.id, 0.0)

    # A search by words alone that does not find the positive has nothing to compare with.
    limit = margin * score(positive) if cosines is not None or positive.id in scores else float("inf")
    words = corpus.words[corpus.places[positive.id]]
    taken: list[Passage] = []
    for hit in hits:
        passage = corpus.passages[corpus.places[hit.chunk_id]]
        if passage.tenant != positive.tenant or not is_other(passage):
            continue
        if score(passage) < limit and jaccard(corpus.words[corpus.places[hit.chunk_id]], words) < likeness:
            taken.append(passage)
    return taken
