"""How well questions find the passages that answer them, measured while a model is trained."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from llm_engineering.domain.datasets import RetrievalPair
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.training import GeneralQuestion
from llm_engineering.infrastructure.trainers.computing import Computing

DEPTH = 10
RESAMPLES = 2_000
# Token ids of texts into vectors, (texts, components).
Encode = Callable[[Sequence[list[int]]], NDArray[np.float32]]


@contextmanager
def at_rest(loss: Computing) -> Iterator[Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]]]:
    """Let a loss compute as its model is now, without dropout and gradients; afterwards training goes on as before.

    Yields what moves a group of texts to where the model is.
    """
    device = next(loss.model.parameters()).device
    was_training = loss.model.training
    loss.eval()
    loss.refresh()
    try:
        with torch.inference_mode():
            yield lambda group: {name: value.to(device) for name, value in group.items()}
    finally:
        loss.train(was_training)


@dataclass(frozen=True)
class Questions:
    """Questions with what is searched for them, all as token ids.

    `documents` says which document a passage is of, `relevant` which documents answer a question. A question is
    asked of passages of the same `scope` (what its search is limited to). Tokens are looked up by `question:TEXT` or
    `passage:TEXT`, since the two have different prompts and windows.
    """

    questions: Sequence[list[int]]
    passages: Sequence[list[int]]
    documents: Sequence[str]
    relevant: Sequence[frozenset[str]]
    question_scopes: Sequence[str]
    passage_scopes: Sequence[str]


def questions_of(
    asked: Sequence[RetrievalPair], corpus: Sequence[RetrievalPair], tokens: Mapping[str, list[int]]
) -> Questions:
    """Return the questions of rows, to be asked of the passages of a corpus. Each question counts once."""
    once = {(row.question, row.filter): row for row in asked}
    passages = {(row.passage, row.filter, row.document_id) for row in corpus}
    ordered = sorted(passages)
    return Questions(
        questions=[tokens[f"question:{row.question}"] for row in once.values()],
        passages=[tokens[f"passage:{passage}"] for passage, _, _ in ordered],
        documents=[document for _, _, document in ordered],
        relevant=[frozenset({row.document_id, *row.documents}) for row in once.values()],
        question_scopes=[row.filter for row in once.values()],
        passage_scopes=[scope for _, scope, _ in ordered],
    )


def general_questions(general: Sequence[GeneralQuestion], tokens: Mapping[str, list[int]]) -> Questions:
    """Return general questions, each to be asked of all passages."""
    passages = list(dict.fromkeys(one.passage for one in general))
    relevant: dict[str, set[str]] = {}
    for one in general:
        relevant.setdefault(one.question, set()).add(one.passage)
    return Questions(
        questions=[tokens[f"question:{question}"] for question in relevant],
        passages=[tokens[f"passage:{passage}"] for passage in passages],
        documents=passages,
        relevant=[frozenset(answers) for answers in relevant.values()],
        question_scopes=[""] * len(relevant),
        passage_scopes=[""] * len(passages),
    )


def gains(asked: Questions, encode: Encode) -> dict[str, NDArray[np.float64]]:
    """Return for each question nDCG@10 and the reciprocal rank (0 below rank 10); passages of a document count once."""
    questions, passages = _unit(encode(asked.questions)), _unit(encode(asked.passages))
    scopes = np.array(asked.passage_scopes)
    found: dict[str, list[float]] = {"ndcg@10": [], "mrr@10": []}
    for vector, relevant, scope in zip(questions, asked.relevant, asked.question_scopes, strict=True):
        scores = np.where((scopes == scope) if scope else True, passages @ vector, -np.inf)
        order = np.argsort(-scores, kind="stable")
        ranked = list(dict.fromkeys(asked.documents[place] for place in order[: 8 * DEPTH]))[:DEPTH]
        gain, reciprocal = ranked_gains(ranked, relevant)
        found["ndcg@10"].append(gain)
        found["mrr@10"].append(reciprocal)
    return {name: np.array(values) for name, values in found.items()}


def ranked_gains(ranked: Sequence[str], relevant: frozenset[str]) -> tuple[float, float]:
    """Return nDCG and the reciprocal rank of the first relevant one.

    >>> ranked_gains(["a", "b"], frozenset({"b"}))
    (0.6309297535714575, 0.5)
    """
    ranks = [rank for rank, document in enumerate(ranked, start=1) if document in relevant]
    ideal = sum(1 / np.log2(rank + 1) for rank in range(1, min(len(relevant), DEPTH) + 1))
    gain = sum(1 / np.log2(rank + 1) for rank in ranks) / ideal
    return float(gain), (1 / ranks[0] if ranks else 0.0)


def estimate(values: NDArray[np.float64], seed: int) -> Estimate:
    """Return the mean with the interval of 95 % of bootstrap means."""
    random = np.random.default_rng(seed)
    means = [values[random.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, (0.025, 0.975))
    return Estimate(
        value=round(float(values.mean()), 6), low=round(float(low), 6), high=round(float(high), 6), n=len(values)
    )


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: NDArray[np.float32] = vectors / np.maximum(lengths, 1e-12)
    return found


@torch.no_grad()
def as_numpy(vectors: torch.Tensor) -> NDArray[np.float32]:
    """Return vectors in the memory of the CPU."""
    found: NDArray[np.float32] = vectors.detach().float().cpu().numpy()
    return found
