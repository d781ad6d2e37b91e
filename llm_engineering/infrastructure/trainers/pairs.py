"""Questions and passages that a cross-encoder reads together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from llm_engineering.domain.datasets import RetrievalPair
from llm_engineering.infrastructure.embedders.tokenizer import readable
from llm_engineering.infrastructure.trainers.batches import Key, groups


class Pairs:
    """Pairs as token ids, each of them made once. The passage loses its end where both are too long."""

    def __init__(self, tokenizer: Path, max_tokens: int, rows: Sequence[RetrievalPair]) -> None:
        own = Tokenizer.from_file(str(tokenizer))
        own.no_padding()
        own.enable_truncation(max_tokens, strategy="only_second")
        self._tokenizer = own
        self._longest = max_tokens // 2
        self.ids = cache(self._ids)
        self.rows = rows

    def _ids(self, question: str, passage: str) -> tuple[list[int], int]:
        """Return the ids of a pair, and how many of them are of the question."""
        asked = readable(question)
        offsets = self._tokenizer.encode(asked, add_special_tokens=False).offsets
        if len(offsets) > self._longest:
            asked = asked[: offsets[self._longest - 1][1]]
        found = self._tokenizer.encode(asked, readable(passage))
        return found.ids, found.type_ids.index(1) if 1 in found.type_ids else len(found.ids)


@dataclass(frozen=True)
class CandidateBatches:
    """Collate keys into pairs of a question with its passage and some of its negatives.

    `labels` is 1 for the answering passage; `question` and `column` say where a pair's score belongs.
    """

    rows: Sequence[RetrievalPair]
    pairs: Pairs
    negatives: int
    budget: int
    seed: int
    valid_label_columns: tuple[str, ...] = ()

    def __call__(self, keys: Sequence[Key]) -> dict[str, Any]:
        ids, labels, question, column = [], [], [], []
        for place, (epoch, position) in enumerate(keys):
            row = self.rows[position]
            for at, text in enumerate([row.passage, *self._drawn(epoch, position, row)]):
                ids.append(self.pairs.ids(row.question, text))
                labels.append(float(at == 0))
                question.append(place)
                column.append(at)
        parts, order = pair_groups(ids, self.budget)
        return {
            "pairs": parts,
            "order": order,
            "labels": torch.tensor(labels),
            "question": torch.tensor(question),
            "column": torch.tensor(column),
        }

    def _drawn(self, epoch: int, position: int, row: RetrievalPair) -> list[str]:
        random = np.random.default_rng([self.seed, epoch, position])
        count = min(self.negatives, len(row.negatives))
        return [row.negatives[place] for place in random.choice(len(row.negatives), count, replace=False)]


def pair_groups(
    pairs: Sequence[tuple[list[int], int]], budget: int
) -> tuple[list[dict[str, torch.Tensor]], torch.Tensor]:
    """Return pairs in groups of similar length; `token_type_ids` tells the passage from the question."""
    parts, order = groups([ids for ids, _ in pairs], budget)
    places = torch.argsort(order).tolist()
    for part in parts:
        tokens = part["input_ids"]
        starts = torch.tensor([pairs[place][1] for place in places[: len(tokens)]])
        places = places[len(tokens) :]
        after = torch.arange(tokens.shape[1])[None, :] >= starts[:, None]
        part["token_type_ids"] = (after & part["attention_mask"].bool()).long()
    return parts, order
