"""Fine-tune a cross-encoder that reranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from llm_engineering.domain.datasets import DatasetRow, RetrievalPair
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import ModelKind
from llm_engineering.domain.training import Trained, TrainingData, Watch, unwatched
from llm_engineering.infrastructure.embedders.sentence_transformers import DEFAULT_MODEL
from llm_engineering.infrastructure.trainers.finished import finished, keep_finished
from llm_engineering.infrastructure.trainers.held_out import check_rows
from llm_engineering.infrastructure.trainers.optimising import Optimising, work_folders

if TYPE_CHECKING:
    from llm_engineering.infrastructure.embedders.model_files import ModelFiles

CANDIDATES = 10


class RerankerTrainer(Optimising):
    """Fine-tune a cross-encoder; a base that is no cross-encoder gets a fresh head upon its encoder."""

    kind: Literal["reranker"] = "reranker"
    makes: ClassVar[ModelKind] = "reranker"
    learns_from: ClassVar[type[DatasetRow]] = RetrievalPair
    base: str = Field(
        DEFAULT_MODEL, min_length=1, description="model to begin with: a cross-encoder, or an encoder to make one of"
    )
    batch: int = Field(16, ge=1, le=65_536, description="questions in a batch, each with its passages")
    negatives: int = Field(4, ge=1, le=64, description="mined negatives of a question that are read with it")
    loss: Literal["listwise", "binary"] = Field(
        "listwise", description="passages of a question against each other, or each pair by itself"
    )
    max_tokens: int = Field(
        256, ge=16, le=131_072, description="question and passage together; passages lose their end"
    )

    def train(self, data: TrainingData[RetrievalPair], folder: Path, home: Path, watch: Watch = unwatched) -> Trained:
        """Train on the rows, leave the model in the folder (`model`), and return how it went.

        Raises:
            UsageError: rows that may not be learned from, no negatives, or a base that cannot be loaded.
        """
        check_rows(data)
        if not any(row.negatives for row in data.train):
            raise UsageError(
                f"data set {data.reference} has no mined negatives; a reranker learns nothing without them"
            )
        if known := finished(folder):
            return known
        return keep_finished(folder, _Training(self, data, folder, home).run(watch))


@dataclass
class _Training:
    spec: RerankerTrainer
    data: TrainingData[RetrievalPair]
    folder: Path
    home: Path

    def run(self, watch: Watch) -> Trained:
        from llm_engineering.infrastructure.embedders.encoder import chosen_device, chosen_precision
        from llm_engineering.infrastructure.trainers import loop, starting
        from llm_engineering.infrastructure.trainers.batches import SpreadBatches
        from llm_engineering.infrastructure.trainers.losses import PairLoss
        from llm_engineering.infrastructure.trainers.pairs import CandidateBatches, Pairs

        spec = self.spec
        device = chosen_device(spec.device)
        precision = chosen_precision(spec.precision, device)
        files, digest = starting.base_files(spec.base, spec.revision, spec.digest, self.home)
        model = _load(files, device, spec.seed)
        starting.set_dropout(model, spec.dropout)
        pairs = Pairs(files.tokenizer, spec.max_tokens, [*self.data.train, *self.data.validation])
        collate = CandidateBatches(self.data.train, pairs, spec.negatives, spec.token_budget, spec.seed)
        batches = SpreadBatches([row.document_id for row in self.data.train], spec.batch, spec.seed)
        loss = PairLoss(model, listwise=spec.loss == "listwise", low=precision == "bf16")
        asked = [row for row in self.data.validation if row.negatives]
        measure = (lambda: _means(loss, pairs, asked, spec)) if asked else None
        record = loop.train(spec, model, loss, (batches, collate), measure, work_folders(self.folder)[0], watch)
        metrics = _measured(loss, pairs, asked, spec) if asked else {}
        starting.save_model(model, None, work_folders(self.folder)[1])
        record = record.model_copy(update={"precision": precision, "device": device})
        return Trained(record=record, base=spec.base, base_digest=digest, metrics=dict(metrics))


def _load(files: "ModelFiles", device: str, seed: int) -> Any:
    """Load a cross-encoder, or put a head of random weights upon an encoder."""
    import torch
    from sentence_transformers import CrossEncoder

    from llm_engineering.infrastructure.embedders.library_model import quiet_transformers

    torch.manual_seed(seed)
    with files.staged() as folder, quiet_transformers():
        # modules.json tells of an embedder's pooling, which a cross-encoder does not have.
        (folder / "modules.json").unlink(missing_ok=True)
        try:
            return CrossEncoder(
                str(folder), num_labels=1, device=device, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # what the settings of a foreign model make the library raise can be anything
            raise UsageError(f"model {files.name!r} in {files.folder} cannot be loaded: {error}") from error


def _gains(loss: Any, pairs: Any, asked: Sequence[RetrievalPair], spec: RerankerTrainer) -> dict[str, Any]:
    """Return nDCG@10 and the reciprocal rank of the answering passage among the mined ones, for each question."""
    import numpy as np
    import torch

    from llm_engineering.infrastructure.trainers.measuring import ranked_gains
    from llm_engineering.infrastructure.trainers.pairs import pair_groups

    device = next(loss.model.parameters()).device
    was_training = loss.model.training
    loss.eval()
    loss.refresh()
    found: dict[str, list[float]] = {"ndcg@10": [], "mrr@10": []}
    candidates = [[row.passage, *row.negatives[: CANDIDATES - 1]] for row in asked]
    ids = [pairs.ids(row.question, text) for row, texts in zip(asked, candidates, strict=True) for text in texts]
    parts, order = pair_groups(ids, spec.token_budget)
    with torch.inference_mode():
        moved = ({name: value.to(device) for name, value in part.items()} for part in parts)
        scores = torch.cat([loss.scores([part]).cpu() for part in moved])[order].numpy()
    loss.train(was_training)
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


def _means(loss: Any, pairs: Any, asked: Sequence[RetrievalPair], spec: RerankerTrainer) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in _gains(loss, pairs, asked, spec).items()}


def _measured(loss: Any, pairs: Any, asked: Sequence[RetrievalPair], spec: RerankerTrainer) -> Mapping[str, Estimate]:
    from llm_engineering.infrastructure.trainers.measuring import estimate

    found = _gains(loss, pairs, asked, spec).items()
    return {f"validation/{name}": estimate(values, spec.seed) for name, values in found}
