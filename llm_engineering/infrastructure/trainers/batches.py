"""Rows into batches: which rows are read together, and each text of a batch tokenised and read once.

Two rows of a document are in different batches where that is possible, and what answers a question is never its
negative, whichever row it came with.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from llm_engineering.domain.datasets import RetrievalPair
from llm_engineering.infrastructure.embedders.encoder import padded
from llm_engineering.infrastructure.embedders.window import length_buckets

# What identifies a row in a batch: the epoch and the row's position. Negatives of a row differ by epoch.
Key = tuple[int, int]


class Rows:
    """Positions of rows as a data set of torch; a key is its own item, since the collator knows the rows."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, key: Key) -> Key:
        return key


class SpreadBatches:
    """Batches in which no two rows have a document in common, if no document has more rows than there are batches.

    Rows of one scope (what a search for them is limited to) are read together: the others are what their passages
    compete with in a search. Rows of scopes too small for half a batch share theirs. Within a scope rows are dealt out
    like cards, document by document in random order. All epochs have equally many batches, and an epoch's are derived
    from seed and epoch alone: who resumes in the middle gets the same ones.
    """

    def __init__(self, documents: Sequence[str], size: int, seed: int, scopes: Sequence[str] = ()) -> None:
        self.batch_size = size
        self.drop_last = False
        self.epoch = 0
        self.count = len(documents)
        self._seed = seed
        of_scope = Counter(scopes)
        self._decks: dict[str, dict[str, list[int]]] = {}
        for position, (document, scope) in enumerate(zip(documents, scopes or [""] * self.count, strict=True)):
            deck = self._decks.setdefault(scope if 2 * of_scope[scope] >= size else "", {})
            deck.setdefault(document, []).append(position)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is to come."""
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(map(self._batches, self._decks.values()))

    def __iter__(self) -> Iterator[list[Key]]:
        random = np.random.default_rng([self._seed, self.epoch])
        batches = []
        for deck in self._decks.values():
            groups = list(deck.values())
            dealt = [
                groups[place][row] for place in random.permutation(len(groups)) for row in _order(random, groups[place])
            ]
            count = self._batches(deck)
            batches += [dealt[first::count] for first in range(count)]
        for place in random.permutation(len(batches)):
            yield [(self.epoch, position) for position in batches[place]]

    def _batches(self, deck: Mapping[str, Sequence[int]]) -> int:
        return math.ceil(sum(map(len, deck.values())) / self.batch_size)


def _order(random: np.random.Generator, group: Sequence[int]) -> Sequence[int]:
    shuffled: Sequence[int] = random.permutation(len(group)).tolist()
    return shuffled


@dataclass
class Texts:
    """Texts with their tokens, each of them once. `documents` are the ids of the documents that it is a passage of."""

    ids: list[list[int]] = field(default_factory=list)
    documents: list[set[str]] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def add(self, texts: Mapping[str, set[str]], tokens: Sequence[list[int]]) -> None:
        """Take in texts with their tokens."""
        for (text, documents), ids in zip(texts.items(), tokens, strict=True):
            self._places[text] = len(self.ids)
            self.ids.append(ids)
            self.documents.append(documents)

    def place(self, text: str) -> int:
        return self._places[text]


def texts_of(rows: Sequence[RetrievalPair]) -> dict[str, set[str]]:
    """Return all passages of rows, negatives included, with the documents that they are known to be of."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.passage, set()).add(row.document_id)
        for text in row.negatives:
            found.setdefault(text, set())
    return found


def groups(ids: Sequence[Sequence[int]], budget: int) -> tuple[list[dict[str, torch.Tensor]], torch.Tensor]:
    """Return texts in groups of similar length, and the row that each text has in the groups put together."""
    places: list[int] = []
    found = []
    for batch in length_buckets([len(tokens) for tokens in ids], budget):
        tokens, mask = padded([ids[position] for position in batch])
        found.append({"input_ids": tokens, "attention_mask": mask})
        places += batch
    order = torch.empty(len(ids), dtype=torch.long)
    order[torch.tensor(places)] = torch.arange(len(ids))
    return found, order


@dataclass(frozen=True)
class PairBatches:
    """Collate keys into questions, and the distinct passages of all of them.

    Of a batch of n questions and m passages: `target` (n) is the place of the passage that answers, `allowed` (n, m)
    is False for what answers the question as well and so is no negative.
    """

    rows: Sequence[RetrievalPair]
    questions: Sequence[list[int]]
    passages: Texts
    negatives: int
    budget: int
    seed: int
    # The library looks for this on a collator.
    valid_label_columns: tuple[str, ...] = ()

    def __call__(self, keys: Sequence[Key]) -> dict[str, Any]:
        rows = [self.rows[position] for _, position in keys]
        answering = [self.passages.place(row.passage) for row in rows]
        places = list(dict.fromkeys(answering))
        for (epoch, position), row in zip(keys, rows, strict=True):
            places += [self.passages.place(text) for text in self._drawn(epoch, position, row)]
        places = list(dict.fromkeys(places))
        at = {place: column for column, place in enumerate(places)}
        questions, question_order = groups([self.questions[position] for _, position in keys], self.budget)
        passages, passage_order = groups([self.passages.ids[place] for place in places], self.budget)
        return {
            "questions": questions,
            "question_order": question_order,
            "passages": passages,
            "passage_order": passage_order,
            "target": torch.tensor([at[place] for place in answering]),
            "allowed": torch.tensor(
                [
                    [self._may_stand(row, own, place) for place in places]
                    for row, own in zip(rows, answering, strict=True)
                ]
            ),
            "question_rows": torch.tensor([position for _, position in keys]),
            "passage_rows": torch.tensor(places),
        }

    def _drawn(self, epoch: int, position: int, row: RetrievalPair) -> list[str]:
        """Return some of a row's negatives, others in each epoch."""
        if len(row.negatives) <= self.negatives:
            return list(row.negatives)
        random = np.random.default_rng([self.seed, epoch, position])
        return [row.negatives[place] for place in random.choice(len(row.negatives), self.negatives, replace=False)]

    def _may_stand(self, row: RetrievalPair, own: int, place: int) -> bool:
        return place == own or not (self.passages.documents[place] & {row.document_id, *row.documents})
