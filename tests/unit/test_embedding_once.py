"""Vectors are computed once, in the same batches after an interruption, and only vectors are kept."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_engineering.application.embedding import ATTEMPTS, ensure_vectors
from llm_engineering.domain.chunks import Chunk, Vector
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.ports import Warehouse
from llm_engineering.infrastructure.embedders import Hashing
from llm_engineering.infrastructure.embedders.window import length_buckets
from llm_engineering.infrastructure.warehouse import open_warehouse

SPEC = Hashing(dimension=8)
HOME = Path()
Batch = Sequence[tuple[int, Vector]]


class Flaky:
    """Embeds in length buckets, writes down each batch, and asks before each one whether to fail."""

    def __init__(self, fails: Callable[[int], BackendError | None] = lambda _: None, budget: int = 40) -> None:
        self._embedder = SPEC.open(HOME)
        self.card = self._embedder.card
        self.embed_query = self._embedder.embed_query
        self._fails = fails
        self._budget = budget
        self.calls = 0
        self.batches: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> Iterator[Batch]:
        for batch in length_buckets([len(text.split()) for text in texts], self._budget):
            self.calls += 1
            if error := self._fails(self.calls):
                raise error
            self.batches.append([texts[position] for position in batch])
            yield [(position, self.embed_query(texts[position])) for position in batch]


def chunks_of(texts: Sequence[str]) -> list[Chunk]:
    return [Chunk("d", "file:///a", "s", "", n, n, n + len(text), text, "", 0) for n, text in enumerate(texts)]


def ensure(warehouse: Warehouse, embedder: Flaky, texts: Sequence[str]) -> list[float]:
    """Run, and return the pauses that were made."""
    pauses: list[float] = []
    for _ in ensure_vectors(chunks_of(texts), embedder.card.digest, lambda: embedder, warehouse, pauses.append):
        pass
    return pauses


def kept(warehouse: Warehouse, texts: Sequence[str]) -> int:
    return len(warehouse.vectors(SPEC.card(HOME).digest, {chunk.text_hash for chunk in chunks_of(texts)}))


TEXTS = st.lists(
    st.integers(1, 12).flatmap(lambda n: st.text("abc", min_size=1, max_size=3).map(lambda w: f"{w} " * n))
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, st.integers(1, 30), st.integers(8, 60))
def test_the_batches_after_an_interruption_are_the_rest_of_the_same_ones(
    texts: list[str], stop: int, budget: int
) -> None:
    whole, first, second = Flaky(budget=budget), Flaky(lambda call: DEAD if call == stop else None, budget), Flaky()
    second._budget = budget
    for embedders in ((whole,), (first, second)):
        warehouse = open_warehouse("sqlite://")
        try:
            for embedder in embedders:
                try:
                    ensure(warehouse, embedder, texts)
                except BackendError:
                    assert embedder is first
            assert kept(warehouse, texts) == len(set(texts))
        finally:
            warehouse.close()
    assert first.batches + second.batches == whole.batches


DEAD = BackendError("the model died")
BUSY = BackendError("the model is busy", transient=True)
MANY = [f"text {number} " + "word " * (number % 11) for number in range(300)]


def test_the_batches_do_not_depend_on_the_order_of_the_chunks(warehouse: Warehouse) -> None:
    straight, shuffled = Flaky(), Flaky()
    ensure(warehouse, straight, MANY)
    other = open_warehouse("sqlite://")
    ensure(other, shuffled, Random(1).sample(MANY, len(MANY)))
    other.close()
    assert straight.batches == shuffled.batches


def test_failures_that_pass_are_waited_for_and_nothing_is_embedded_twice(warehouse: Warehouse) -> None:
    chance = Random(3)
    embedder = Flaky(lambda _: BUSY if chance.random() < 0.3 else None)
    pauses = ensure(warehouse, embedder, MANY)
    assert kept(warehouse, MANY) == len(MANY)
    assert sorted(text for batch in embedder.batches for text in batch) == sorted(MANY)
    assert len(pauses) > 5
    assert all(later in (0.5, 2 * earlier) for earlier, later in pairwise(pauses))


def test_a_failure_that_does_not_pass_ends_the_run_and_keeps_what_was_embedded(warehouse: Warehouse) -> None:
    embedder = Flaky(lambda call: BUSY if call > 4 else None)
    with pytest.raises(BackendError, match="the model is busy"):
        ensure(warehouse, embedder, MANY)
    assert embedder.calls == 4 + ATTEMPTS
    assert 0 < kept(warehouse, MANY) == sum(map(len, embedder.batches)) < len(MANY)


def test_runs_that_fail_in_three_of_ten_calls_have_all_vectors_in_the_end(warehouse: Warehouse) -> None:
    chance = Random(8)
    embedder = Flaky(lambda _: DEAD if chance.random() < 0.3 else None)
    failed = 0
    for _ in range(100):
        try:
            ensure(warehouse, embedder, MANY)
            break
        except BackendError:
            failed += 1
    assert failed > 3
    assert kept(warehouse, MANY) == len(MANY)
    assert sorted(text for batch in embedder.batches for text in batch) == sorted(MANY)


def vector(*components: float) -> Vector:
    return array("f", components)


GOOD = vector(1, 0, 0, 0, 0, 0, 0, 0)
WRONG: dict[str, tuple[list[list[tuple[int, Vector]]], str]] = {
    "too few": ([[(0, GOOD)]], "returned 1 vectors for 2 texts"),
    "none": ([], "returned 0 vectors for 2 texts"),
    "twice": ([[(0, GOOD), (0, GOOD)]], "a second vector for text 0"),
    "twice in two batches": ([[(0, GOOD)], [(0, GOOD)]], "a second vector for text 0"),
    "for no text": ([[(0, GOOD), (2, GOOD)]], "a second vector for text 2, or one for none"),
    "no number": ([[(0, vector(float("nan"), *GOOD[1:])), (1, GOOD)]], "of length nan"),
    "infinite": ([[(0, vector(float("inf"), *GOOD[1:])), (1, GOOD)]], "of length inf"),
    "zero": ([[(0, vector(*([0.0] * 8))), (1, GOOD)]], "of length 0 instead of 1"),
    "long": ([[(0, vector(*([1.0] * 8))), (1, GOOD)]], "of length 2.83 instead of 1"),
    "wrong dimension": ([[(0, vector(1, 0, 0)), (1, GOOD)]], "of 3 components, its card says 8"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_vector_fails_the_step_and_is_not_kept(warehouse: Warehouse, name: str) -> None:
    batches, message = WRONG[name]

    class Wrong(Flaky):
        def embed(self, texts: Sequence[str]) -> Iterator[Batch]:
            yield from batches

    with pytest.raises(BackendError, match=message):
        ensure(warehouse, Wrong(), ["one", "two"])
    found = warehouse.vectors(SPEC.card(HOME).digest, {chunk.text_hash for chunk in chunks_of(["one", "two"])})
    assert all(stored == GOOD for stored in found.values())
