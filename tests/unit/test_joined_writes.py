"""What is written in one turn of the loop leaves together, in its order, and never too late."""

import asyncio
from typing import Any, cast

from llm_engineering.serving.heads import Joined


class Noting:
    """A transport that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[object] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done


def joined() -> tuple[Joined, Noting]:
    noting = Noting()
    return Joined(cast("Any", noting), asyncio.get_running_loop()), noting


def test_what_is_written_in_one_turn_leaves_together() -> None:
    async def writing() -> list[object]:
        transport, noting = joined()
        transport.write(b"head ")
        transport.write(b"body")
        assert noting.done == []
        await asyncio.sleep(0)
        transport.write(b"next")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return noting.done

    assert asyncio.run(writing()) == [b"head body", b"next"]


def test_what_was_written_leaves_before_the_end() -> None:
    async def writing() -> list[object]:
        transport, noting = joined()
        transport.write(b"last words")
        assert not transport.is_closing()
        transport.close()
        assert transport.is_closing()
        await asyncio.sleep(0)
        return noting.done

    assert asyncio.run(writing()) == [b"last words", "closed"]


def test_much_is_not_held_back() -> None:
    async def writing() -> list[object]:
        transport, noting = joined()
        for _ in range(3):
            transport.write(bytes(40_000))
        assert [len(cast("bytes", data)) for data in noting.done] == [80_000]
        await asyncio.sleep(0)
        return [len(cast("bytes", data)) for data in noting.done]

    assert asyncio.run(writing()) == [80_000, 40_000]
