"""Batches of training rows: what is read together, what may be a negative, and what stays the same."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.infrastructure.trainers.batches import PairBatches, SpreadBatches, Texts, texts_of
from llm_engineering.infrastructure.trainers.losses import RankingLoss
from tests.tiny_bert import pair, pairs

documents = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60)


@given(documents, st.integers(2, 12), st.integers(0, 3))
def test_every_row_is_in_one_batch_of_an_epoch_and_batches_differ_by_one_row_at_most(
    of: list[str], size: int, epoch: int
) -> None:
    sampler = SpreadBatches(of, size, seed=1)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert sorted(position for batch in batches for _, position in batch) == list(range(len(of)))
    assert max(map(len, batches)) - min(map(len, batches)) <= 1
    assert max(map(len, batches)) <= size


@given(documents, st.integers(2, 12))
def test_a_document_is_in_a_batch_once_unless_it_has_more_rows_than_there_are_batches(of: list[str], size: int) -> None:
    sampler = SpreadBatches(of, size, seed=1)
    if max(of.count(document) for document in of) <= len(sampler):
        for batch in sampler:
            seen = [of[position] for _, position in batch]
            assert len(set(seen)) == len(seen)


def test_an_epoch_can_be_drawn_again_and_the_next_one_differs() -> None:
    sampler, again = (SpreadBatches([str(row) for row in range(40)], 8, seed=3) for _ in range(2))
    first = list(sampler)
    assert first == list(sampler) == list(again)
    again.set_epoch(1)
    assert [[at for _, at in batch] for batch in again] != [[at for _, at in batch] for batch in first]


def test_rows_that_are_searched_together_are_read_together_and_small_scopes_share_their_batches() -> None:
    scopes = ["a"] * 20 + ["b"] * 9 + ["c"] * 2 + ["d"]
    sampler = SpreadBatches([str(row) for row in range(32)], 8, seed=1, scopes=scopes)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 3 + 2 + 1
    assert sorted(position for batch in batches for _, position in batch) == list(range(32))
    of_batches = [{scopes[position] for _, position in batch} for batch in batches]
    assert sorted(map(sorted, of_batches)) == [["a"]] * 3 + [["b"]] * 2 + [["c", "d"]]


def collator(rows: list, negatives: int = 2) -> PairBatches:  # type: ignore[type-arg]
    found, texts = texts_of(rows), Texts()
    texts.add(found, [[number + 1] * (number % 5 + 1) for number in range(len(found))])
    return PairBatches(rows, [[1, 2]] * len(rows), texts, negatives, budget=12, seed=0)


def test_what_answers_a_question_as_well_is_no_negative() -> None:
    other = pair(1, passage="the same document, further down", document_id="train-0", documents=("train-0",))
    twice = pair(2, documents=("train-2", "train-3"))
    rows = [pair(0), other, twice, pair(3)]
    batch = collator(rows, negatives=0)([(0, position) for position in range(4)])
    assert batch["allowed"].tolist() == [
        [True, False, True, True],
        [False, True, True, True],
        [True, True, True, False],
        [True, True, True, True],
    ]
    assert batch["target"].tolist() == [0, 1, 2, 3]


def test_a_text_is_read_once_and_groups_put_together_give_the_order_back() -> None:
    rows = list(pairs(12)[0])
    collate = collator(rows)
    batch = collate([(0, position) for position in range(12)])
    places = batch["passage_rows"].tolist()
    assert len(set(places)) == len(places)
    read = [group["input_ids"][row, 0].item() for group in batch["passages"] for row in range(len(group["input_ids"]))]
    assert [read[row] for row in batch["passage_order"]] == [collate.passages.ids[place][0] for place in places]
    assert all(group["input_ids"].numel() <= 12 for group in batch["passages"])


def test_negatives_are_drawn_anew_in_each_epoch_and_alike_in_the_same_one() -> None:
    collate = collator(list(pairs(20)[0]), negatives=1)
    drawn = [collate([(epoch, position) for position in range(4)])["passage_rows"].tolist() for epoch in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


class Table(torch.nn.Module):
    """Gives each text the vector of its first token."""

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        self.vectors = torch.nn.Parameter(vectors)

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"sentence_embedding": self.vectors[features["input_ids"][:, 0]]}


def test_the_loss_is_the_librarys_where_nothing_repeats() -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    torch.manual_seed(0)
    vectors = torch.randn(9, 16)
    text = [{"input_ids": torch.arange(9)[:, None], "attention_mask": torch.ones(9, 1)}]
    batch = {
        "questions": [{name: value[:3] for name, value in text[0].items()}],
        "question_order": torch.arange(3),
        "passages": [{name: value[3:] for name, value in text[0].items()}],
        "passage_order": torch.arange(6),
        "target": torch.arange(3),
        "allowed": torch.ones(3, 6, dtype=torch.bool),
    }
    ours = RankingLoss(Table(vectors), scale=20.0)(batch)
    library = MultipleNegativesRankingLoss(model=torch.nn.Identity(), scale=20.0)  # type: ignore[arg-type]
    theirs = library.compute_loss_from_embeddings([vectors[:3], vectors[3:6], vectors[6:]], torch.empty(0))
    assert torch.allclose(ours, theirs)
    short = RankingLoss(Table(vectors), scale=20.0, dimensions=(16, 4))(batch)
    cut = RankingLoss(Table(vectors[:, :4]), scale=20.0)(batch)
    assert torch.allclose(short, (ours + cut) / 2)
