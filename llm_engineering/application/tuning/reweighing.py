"""The reranker's share of the score. It reads the candidates of each question once, whatever is tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llm_engineering.application.evaluation import Searching
from llm_engineering.application.evaluation.measures import mrr, ndcg
from llm_engineering.application.retrieval import Reranking, Retrieval
from llm_engineering.application.tuning.asking import TuningQuestion, hits
from llm_engineering.application.tuning.choosing import ROUNDING, sign_test
from llm_engineering.domain.datasets import Split
from llm_engineering.domain.ports import Progress
from llm_engineering.domain.tuning import TuningSettings

Floats = npt.NDArray[np.float64]
MEASURES = {"mrr": mrr, "ndcg": ndcg}


@dataclass(frozen=True)
class Reweighed:
    """The share that was chosen; `before` and `after` are of the validation questions, empty `reason`: it changed."""

    weight: float
    default: float
    before: float
    after: float
    p: float
    reason: str


class _Remembered:
    """A reranker that knows the scores of the last question."""

    def __init__(self, scores: Sequence[float], name: str) -> None:
        self.name = name
        self._scores = scores

    def scores(self, query: str, texts: Sequence[str]) -> Sequence[float]:  # noqa: ARG002 - the port's signature
        return self._scores[: len(texts)]


def reweigh(
    settings: TuningSettings,
    questions: Mapping[Split, Sequence[TuningQuestion]],
    searching: Searching,
    retrieval: Retrieval,
    reranking: Reranking,
    progress: Progress,
) -> Reweighed:
    """Choose the share by the training questions; keep it only if the validation questions show that it is better."""
    weights = list(dict.fromkeys((reranking.weight, *settings.rerank_weights)))
    train = _scores(
        settings, questions[Split.TRAIN], weights, searching, retrieval, reranking, progress, "rerank train"
    )
    winner = int(np.argmax(np.round(train.mean(axis=0), 12)))  # the first of equal ones, which is the default's
    held = _scores(
        settings, questions[Split.VALIDATION], [weights[0], weights[winner]], searching, retrieval, reranking, progress,
        "rerank validation",
    )  # fmt: skip
    before, after = float(held[:, 0].mean()), float(held[:, 1].mean())
    p, _ = sign_test(held[:, 1] - held[:, 0], [one.cluster for one in questions[Split.VALIDATION]], settings.seed)
    reason = ""
    if winner == 0 or after - before <= ROUNDING:
        reason = "the share in use is as good"
    elif p > 1 - settings.confidence:
        reason = f"its gain of {after - before:+.4f} on the validation questions may be chance (p = {p:.3f})"
    return Reweighed(weights[0] if reason else weights[winner], weights[0], before, after, p, reason)


def _scores(
    settings: TuningSettings,
    questions: Sequence[TuningQuestion],
    weights: Sequence[float],
    searching: Searching,
    retrieval: Retrieval,
    reranking: Reranking,
    progress: Progress,
    title: str,
) -> Floats:
    """Return what each share scores on each question (questions, weights)."""
    found = np.zeros((len(weights), len(questions), settings.k))
    for row, one in enumerate(progress(questions, title, total=len(questions), unit="question")):
        _, candidates = hits(one.question, searching, retrieval, settings.k, reranking.candidates)
        own = reranking.rerank(one.question.text, candidates, len(candidates))
        raw = {hit.chunk_id: hit.scores["rerank"] for hit in own}
        known = _Remembered([raw[hit.chunk_id] for hit in candidates], reranking.reranker.name)
        for column, weight in enumerate(weights):
            ordered = Reranking(known, reranking.candidates, weight).rerank(one.question.text, candidates, settings.k)
            documents = list(dict.fromkeys(hit.document_id for hit in ordered))[: settings.k]
            found[column, row, : len(documents)] = [document in one.question.documents for document in documents]
    amounts = np.array([len(one.question.documents) for one in questions], dtype=np.float64)
    return np.stack([MEASURES[settings.metric](part, amounts) for part in found], axis=1)
