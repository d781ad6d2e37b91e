"""Questions of general knowledge: whether a model that was fine-tuned for one domain still finds its way in others.

160 passages about 20 subjects and 172 questions, asked in other words than those of the passages. The eight passages of
a subject resemble each other, so a model has to understand what is asked, not only what it is about: all-MiniLM-L6-v2
has an nDCG@10 of 0.713 here, a model that knows nothing but letters 0.12. There is room to lose and to win.

Both were written for this project and are under its licence. One passage answers a question; that a neighbour might
help as well lowers the figure a little, and does so for every model alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from math import log2
from typing import TYPE_CHECKING

import numpy as np

from llm_engineering.application.retrieval.reranking import Reranking
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.ports import Embedder
from llm_engineering.domain.queries import Hit

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "general/ndcg@10"
K = 10


@dataclass(frozen=True)
class GeneralQuestion:
    """A question, and the position of the passage that answers it."""

    text: str
    passage: int
    subject: str


def general_questions() -> tuple[tuple[str, ...], tuple[GeneralQuestion, ...]]:
    """Return the passages and the questions about them.

    >>> passages, questions = general_questions()
    >>> len(passages), passages[questions[0].passage][:28]
    (160, 'Cirrus clouds are thin white')
    """
    passages: list[str] = []
    questions: list[GeneralQuestion] = []
    subject = ""
    for line in _text().splitlines():
        if line.startswith("= "):
            subject = line[2:]
        elif line.startswith("? "):
            questions.append(GeneralQuestion(line[2:], len(passages) - 1, subject))
        else:
            passages.append(line)
    return tuple(passages), tuple(questions)


def general_digest() -> str:
    """Return the SHA-256 of the questions and passages: only figures of the same ones can be compared."""
    return sha256(_text().encode()).hexdigest()


def general_ndcg(embedder: Embedder, reranking: Reranking | None = None) -> tuple[float, ...]:
    """Return nDCG@10 for each question, in the order of `general_questions`; their mean is the figure.

    Each question has one passage that answers it, so nDCG is 1 / log2(1 + rank), and 0 below the tenth. A passage with
    the same score as the right one stands before it: a model that makes all texts alike earns nothing. With a
    reranking, that reads the candidates that the embedder found, as it does in a search.

    Raises:
        BackendError: a model gave something else than finite numbers.
    """
    passages, questions = general_questions()
    rows: list[Sequence[float]] = [()] * len(passages)
    for batch in embedder.embed(passages):
        for position, vector in batch:
            rows[position] = vector
    documents = np.asarray(rows, dtype=np.float64)
    queries = np.asarray([embedder.embed_query(question.text) for question in questions], dtype=np.float64)
    if not (np.isfinite(documents).all() and np.isfinite(queries).all()):
        raise BackendError(
            f"model {embedder.card.name!r} gives vectors with NaN or infinite numbers; train it again with a lower "
            "learning rate, or without bf16"
        )
    scores = queries @ documents.T  # [questions, passages]
    right = scores[np.arange(len(questions)), [question.passage for question in questions]]
    ranks = (scores >= right[:, None]).sum(axis=1)
    if reranking is not None:
        ranks = [
            _reranked(question, reranking, row, int(rank))
            for question, row, rank in zip(questions, scores, ranks, strict=True)
        ]
    return tuple(1.0 / log2(1 + rank) if rank <= K else 0.0 for rank in map(int, ranks))


def _reranked(question: GeneralQuestion, reranking: Reranking, scores: "NDArray[np.float64]", rank: int) -> int:
    """Return the rank of the right passage among the candidates; one that is no candidate keeps its rank."""
    passages, _ = general_questions()
    nearest = [int(position) for position in np.argsort(-scores, kind="stable")[: max(K, reranking.candidates)]]
    if question.passage not in nearest:
        return rank
    hits = [
        Hit(str(position), float(scores[position]), str(position), "", "", 0, len(text := passages[position]), text)
        for position in nearest
    ]
    ordered = {hit.chunk_id: hit.score for hit in reranking.rerank(question.text, hits, K)}
    return sum(score >= ordered[str(question.passage)] for score in ordered.values())


@cache
def _text() -> str:
    return (files(__package__) / "questions.txt").read_text(encoding="utf-8")
