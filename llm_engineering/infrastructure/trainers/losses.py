"""What training makes small."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from llm_engineering.infrastructure.trainers.computing import Computing


class RankingLoss(Computing):
    """Cross-entropy of the answering passage among all passages of the batch, by cosine similarity times scale.

    It is MultipleNegativesRankingLoss (Henderson et al. 2017) over the distinct passages, where what else answers a
    question does not count. With `dimensions` it is the mean over vectors cut to those (Matryoshka, Kusupati et al.
    2022). `anchor` adds, times its weight, how far vectors have moved from those that the first model gave: what did
    not move was not forgotten.
    """

    def __init__(
        self,
        model: nn.Module,
        scale: float,
        dimensions: Sequence[int] = (),
        anchor: float = 0.0,
        anchors: tuple[Tensor, Tensor] | None = None,
        *,
        low: bool = False,
    ) -> None:
        super().__init__(model, low=low)
        self.scale = scale
        self.dimensions = tuple(dimensions)
        self.anchor = anchor
        self.anchors = anchors

    def forward(self, batch: Mapping[str, Any]) -> Tensor:
        """Return the loss of what `PairBatches` made."""
        questions = self.vectors(batch["questions"])[batch["question_order"]]  # (n, components)
        passages = self.vectors(batch["passages"])[batch["passage_order"]]  # (m, components)
        dimensions = self.dimensions or (questions.shape[1],)
        losses = [self._ranking(questions[:, :size], passages[:, :size], batch) for size in dimensions]
        loss = torch.stack(losses).mean()
        if self.anchor and self.anchors is not None:
            first = (self.anchors[0][batch["question_rows"].cpu()], self.anchors[1][batch["passage_rows"].cpu()])
            loss = loss + self.anchor * (_moved(questions, first[0]) + _moved(passages, first[1]))
        return loss

    def vectors(self, texts: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Return the vectors of groups of texts, (texts, components), in fp32."""
        return torch.cat([self.read(group, "sentence_embedding") for group in texts])

    def _ranking(self, questions: Tensor, passages: Tensor, batch: Mapping[str, Any]) -> Tensor:
        similar = functional.normalize(questions, dim=-1) @ functional.normalize(passages, dim=-1).T  # (n, m)
        scores = (self.scale * similar).masked_fill(~batch["allowed"], float("-inf"))
        return functional.cross_entropy(scores, batch["target"])


def _moved(vectors: Tensor, before: Tensor) -> Tensor:
    return (1 - functional.cosine_similarity(vectors, before.to(vectors.device), dim=-1)).mean()


class PairLoss(Computing):
    """Score question and passage together; `listwise` compares the passages of a question, else each stands alone."""

    def __init__(self, model: nn.Module, *, listwise: bool, low: bool = False) -> None:
        super().__init__(model, low=low)
        self.listwise = listwise

    def forward(self, batch: Mapping[str, Any]) -> Tensor:
        """Return the loss of what `CandidateBatches` made."""
        scores = self.scores(batch["pairs"])[batch["order"]]
        labels, of = batch["labels"], batch["question"]
        if not self.listwise:
            # One answer stands against several negatives: weighted so that both count the same.
            weight = ((1 - labels).sum() / labels.sum()).clamp(min=1.0)
            return functional.binary_cross_entropy_with_logits(scores, labels, pos_weight=weight)
        table = scores.new_full((int(of.max()) + 1, int(batch["column"].max()) + 1), float("-inf"))
        table[of, batch["column"]] = scores
        return functional.cross_entropy(table, torch.zeros(len(table), dtype=torch.long, device=table.device))

    def scores(self, pairs: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Return the logit of each pair, in fp32."""
        return torch.cat([self.read(group, "scores").view(-1) for group in pairs])
