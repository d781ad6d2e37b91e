"""The ledger in packed form is that of Python's own sets and dictionaries."""

from array import array
from random import Random

from llm_engineering.application.packed_ledger import Known, Ledger, absent, packed, unpacked
from llm_engineering.domain.chunks import Point, SparseVector
from llm_engineering.domain.indexes import IndexedChunk


def point(name: str) -> Point:
    return Point(name, array("f", [1.0]), SparseVector((), ()), {})


def test_what_is_packed_is_found_again_whatever_its_order_and_length() -> None:
    names = [f"{number:x}-ä" for number in range(12_000)]
    Random(0).shuffle(names)
    ledger = Ledger(IndexedChunk("d", name, f"text {name}", f"digest {name}") for name in names)
    asked = ["unknown", *names[:50], "", "zzz" * 40]
    found = list(ledger.chunks([point(name) for name in asked]))
    assert found == [None, *(Known(f"text {name}", f"digest {name}") for name in names[:50]), None, None]


def test_differences_are_those_of_sets() -> None:
    one, other = {"a", "bb", "ccc"}, {"bb", "dddd"}
    assert unpacked(absent(packed(one), packed(other))) == one - other
    assert unpacked(absent(packed([]), packed(other))) == set()
    assert unpacked(absent(packed(["a", "a"]), packed([]))) == {"a"}
    assert list(Ledger([]).chunks([point("a")])) == [None]
