"""Payloads of found points are read in blocks, when they are looked at."""

from collections.abc import Mapping, Sequence

from llm_engineering.infrastructure.vector_stores.qdrant_edge.found import BLOCK, FoundPayload, FoundPayloads

COUNT = 3 * BLOCK - 1


def payloads(asked: list[slice], count: int = COUNT) -> FoundPayloads:
    def read(some: slice) -> Sequence[Mapping[str, object]]:
        asked.append(some)
        return [{"uri": f"file:///{number}"} for number in range(count)[some]]

    return FoundPayloads(count, read)


def test_each_point_has_its_own_payload_and_a_block_is_read_once() -> None:
    asked: list[slice] = []
    found = payloads(asked)
    shown = [FoundPayload(found, number) for number in range(COUNT)]
    assert not asked
    assert [payload["uri"] for payload in shown] == [f"file:///{number}" for number in range(COUNT)]
    assert asked == [slice(0, BLOCK), slice(BLOCK, 2 * BLOCK), slice(2 * BLOCK, 3 * BLOCK)]


def test_only_what_is_looked_at_is_read() -> None:
    asked: list[slice] = []
    found = payloads(asked)
    assert FoundPayload(found, COUNT - 1) == {"uri": f"file:///{COUNT - 1}"}
    assert asked == [slice(2 * BLOCK, 3 * BLOCK)]


def test_a_writer_reads_all_at_once() -> None:
    asked: list[slice] = []
    payloads(asked).read()
    assert len(asked) == 3
    payloads(asked, 0).read()
    assert len(asked) == 3
