"""Vectors of queries that are known are not computed again; several are computed together."""

from array import array
from collections.abc import Iterator, Sequence

from llm_engineering.application.retrieval.remembering import Noting, Remembering
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.indexes import ModelCard


class Counting:
    """An embedder that notes what it is asked for."""

    card = ModelCard(name="counting", digest="c", dimension=1, max_tokens=8)

    def __init__(self) -> None:
        self.asked: list[object] = []

    def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
        yield [(number, vector(text)) for number, text in enumerate(texts)]

    def embed_query(self, text: str) -> Vector:
        self.asked.append(text)
        return vector(text)


class Together(Counting):
    """One that computes several at once."""

    def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        self.asked.append(list(texts))
        return [vector(text) for text in texts]


def vector(text: str) -> Vector:
    return array("f", [float(len(text))])


def test_what_is_known_is_not_computed_again() -> None:
    embedder = Together()
    knowing = Remembering(embedder)
    knowing.learn(["a", "bb", "a", "ccc"])
    knowing.learn(["bb", "dddd", "eeeee"])
    assert [knowing.embed_query(text)[0] for text in ("a", "eeeee", "ffffff", "ffffff")] == [1.0, 5.0, 6.0, 6.0]
    assert embedder.asked == [["a", "bb", "ccc"], ["dddd", "eeeee"], "ffffff"]
    assert list(knowing.embed(["gg"])) == [[(0, vector("gg"))]]


def test_one_alone_is_computed_when_it_is_asked() -> None:
    embedder = Together()
    knowing = Remembering(embedder)
    knowing.learn(["a"])
    assert embedder.asked == []
    knowing.embed_query("a")
    assert embedder.asked == ["a"]


def test_an_embedder_that_computes_one_at_a_time_is_asked_for_each() -> None:
    embedder = Counting()
    knowing = Remembering(embedder)
    knowing.learn(["a", "bb"])
    assert [knowing.embed_query(text)[0] for text in ("a", "bb", "a")] == [1.0, 2.0, 1.0]
    assert embedder.asked == ["a", "bb"]


def test_what_was_not_asked_for_longest_is_forgotten_first() -> None:
    embedder = Together()
    knowing = Remembering(embedder, most=2)
    for text in ("a", "bb", "a", "ccc", "a", "bb"):
        knowing.embed_query(text)
    assert embedder.asked == ["a", "bb", "ccc", "bb"]
    knowing.learn(["1", "22", "333"])
    knowing.embed_query("333")
    assert embedder.asked[4:] == [["1", "22", "333"]]


def test_what_it_is_told_counts_in_place_of_what_it_would_compute() -> None:
    embedder = Counting()
    knowing = Remembering(embedder)
    knowing.know({"a": vector("former")})
    assert knowing.embed_query("a") == vector("former")
    assert embedder.asked == []


def test_a_search_notes_the_vectors_of_its_own_wordings() -> None:
    knowing = Remembering(Counting())
    knowing.embed_query("another's")
    noting = Noting(knowing)
    assert (noting.card, noting.embed_query("a"), noting.embed_query("bb")) == (knowing.card, vector("a"), vector("bb"))
    assert noting.vectors == {"a": vector("a"), "bb": vector("bb")}
    assert list(noting.embed(["gg"])) == [[(0, vector("gg"))]]
