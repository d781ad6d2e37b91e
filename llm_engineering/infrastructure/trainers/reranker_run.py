"""One fine-tuning of a cross-encoder, from rows to a finished model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from llm_engineering.domain.datasets import RetrievalPair
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.training import Trained, TrainingData, Watch
from llm_engineering.infrastructure.embedders.library_model import load_cross_encoder
from llm_engineering.infrastructure.trainers import loop, starting
from llm_engineering.infrastructure.trainers.batches import SpreadBatches
from llm_engineering.infrastructure.trainers.losses import PairLoss
from llm_engineering.infrastructure.trainers.measuring import at_rest, estimate, ranked_gains
from llm_engineering.infrastructure.trainers.optimising import work_folders
from llm_engineering.infrastructure.trainers.pairs import CandidateBatches, Pairs, pair_groups
from llm_engineering.infrastructure.trainers.reranker import RerankerTrainer

CANDIDATES = 10
Gains = NDArray[np.float64]


@dataclass
class RerankerRun:
    """A fine-tuning on its way."""

    spec: RerankerTrainer
    data: TrainingData[RetrievalPair]
    folder: Path
    home: Path

    def finish(self, watch: Watch) -> Trained:
        """Train until the end, and leave the model in the folder."""
        spec, (checkpoints, result) = self.spec, work_folders(self.folder)
        start = starting.start(spec, spec.base, self.home)
        torch.manual_seed(spec.seed)
        model = load_cross_encoder(start.files, start.device, fresh_head=True)
        starting.set_dropout(model, spec.dropout)
        pairs = Pairs(start.files.tokenizer, spec.max_tokens, [*self.data.train, *self.data.validation])
        collate = CandidateBatches(self.data.train, pairs, spec.negatives, spec.token_budget, spec.seed)
        batches = SpreadBatches([row.document_id for row in self.data.train], spec.batch, spec.seed)
        loss = PairLoss(model, listwise=spec.loss == "listwise", low=start.precision == "bf16")
        asked = [row for row in self.data.validation if row.negatives]
        measure = (lambda: _means(loss, pairs, asked, spec)) if asked else None
        record = loop.train(spec, model, loss, (batches, collate), measure, checkpoints, watch)
        metrics = _measured(loss, pairs, asked, spec) if asked else {}
        starting.save_model(model, None, result)
        return start.trained(record, metrics)


def _gains(loss: PairLoss, pairs: Pairs, asked: Sequence[RetrievalPair], spec: RerankerTrainer) -> dict[str, Gains]:
    """Return nDCG@10 and the reciprocal rank of the answering passage among the mined ones, for each question."""
    found: dict[str, list[float]] = {"ndcg@10": [], "mrr@10": []}
    candidates = [[row.passage, *row.negatives[: CANDIDATES - 1]] for row in asked]
    ids = [pairs.ids(row.question, text) for row, texts in zip(asked, candidates, strict=True) for text in texts]
    parts, order = pair_groups(ids, spec.token_budget)
    with at_rest(loss) as moved:
        scores = torch.cat([loss.scores([moved(part)]).cpu() for part in parts])[order].numpy()
    start = 0
    for texts in candidates:
        own = scores[start : start + len(texts)]
        start += len(texts)
        # Of equal scores the answer's comes last: a model that scores all the same has found nothing.
        ranked = [str(place) for place in sorted(range(len(texts)), key=lambda place: (-own[place], place == 0))]
        gain, reciprocal = ranked_gains(ranked, frozenset({"0"}))
        found["ndcg@10"].append(gain)
        found["mrr@10"].append(reciprocal)
    return {name: np.array(values) for name, values in found.items()}


def _means(loss: PairLoss, pairs: Pairs, asked: Sequence[RetrievalPair], spec: RerankerTrainer) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in _gains(loss, pairs, asked, spec).items()}


def _measured(
    loss: PairLoss, pairs: Pairs, asked: Sequence[RetrievalPair], spec: RerankerTrainer
) -> Mapping[str, Estimate]:
    found = _gains(loss, pairs, asked, spec).items()
    return {f"validation/{name}": estimate(values, spec.seed) for name, values in found}
