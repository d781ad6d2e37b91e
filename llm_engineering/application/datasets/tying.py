"""What of the questions and the corpus belongs together, because it nearly repeats itself."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_engineering.application.datasets.corpus import Corpus
from llm_engineering.application.datasets.likeness import alike_texts, alike_vectors, words_of
from llm_engineering.application.datasets.mining import Searcher
from llm_engineering.application.datasets.settings import Duplicates
from llm_engineering.application.datasets.splitting import Groups, clusters_of
from llm_engineering.application.retrieval.remembering import Remembering
from llm_engineering.domain.datasets import AskedQuestion
from llm_engineering.domain.ports import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Ties:
    """What belongs together: `alike` are questions that nearly repeat each other (question → others), `clusters` are
    those of documents, `boilerplate` are passages that too many documents repeat."""

    alike: Mapping[int, Collection[int]]
    clusters: Mapping[str, str]
    boilerplate: Collection[str]


def tied(questions: Sequence[AskedQuestion], searcher: Searcher, settings: Duplicates, progress: Progress) -> Ties:
    """Find out what nearly repeats what."""
    corpus = searcher.corpus
    documents: Groups[str] = Groups(sorted(corpus.documents))
    boilerplate = _joined_by_passages(corpus, documents, settings)
    alike: dict[int, set[int]] = defaultdict(set)
    texts = [words_of(one.question) for one in questions]
    pairs = set(alike_texts(texts, settings.questions))
    if settings.question_cosine is not None and (vectors := _vectors(questions, searcher, progress)) is not None:
        pairs |= set(alike_vectors(vectors, settings.question_cosine))
    for one, other in sorted(pairs):
        alike[one].add(other)
        alike[other].add(one)
        documents.join([questions[one].documents[0], questions[other].documents[0]])
    for question in questions:
        documents.join(question.documents)
    return Ties(alike, clusters_of(documents), boilerplate)


def _joined_by_passages(corpus: Corpus, documents: Groups[str], settings: Duplicates) -> set[str]:
    """Join documents with passages that nearly repeat each other, and return those that too many have."""
    passages: Groups[int] = Groups(range(len(corpus.passages)))
    for pair in alike_texts(corpus.words, settings.passages):
        passages.join(pair)
    if settings.passage_cosine is not None:
        for pair in alike_vectors(corpus.vectors, settings.passage_cosine):
            passages.join(pair)
    boilerplate: set[str] = set()
    for group in passages.all():
        names = {corpus.passages[number].document_id for number in group}
        if len(names) > settings.boilerplate:
            boilerplate |= {corpus.passages[number].id for number in group}
        else:
            documents.join(sorted(names))
    return boilerplate


def _vectors(
    questions: Sequence[AskedQuestion], searcher: Searcher, progress: Progress
) -> "NDArray[np.float32] | None":
    """Return the unit vectors of the questions, (questions, components), or None without an embedder."""
    embedder = searcher.searching.embedder
    if embedder is None:
        return None
    import numpy as np

    if isinstance(embedder, Remembering):
        embedder.learn([one.question for one in questions])
    texts = progress([one.question for one in questions], "embed", total=len(questions), unit="question")
    if not questions:
        return None
    matrix = np.stack([np.asarray(embedder.embed_query(text), dtype=np.float32) for text in texts])
    unit: NDArray[np.float32] = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    return unit
