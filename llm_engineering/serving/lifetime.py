"""The end of the service: nothing new is begun, what runs may end by itself, and at last it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lifetime:
    """What is running, and how long it may. For one event loop."""

    def __init__(self) -> None:
        self.draining = False
        self.ending = False
        self._running: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Bound what happens inside to so many seconds, or to the end of the service, whichever is first.

        Raises:
            TimeoutError: it took longer; `ending` tells which of the two it was.
        """
        async with asyncio.timeout(0 if self.ending else seconds) as limit:
            self._running.add(limit)
            try:
                yield
            finally:
                self._running.discard(limit)

    def end(self) -> None:
        """Stop all that is running."""
        self.ending = True
        now = asyncio.get_running_loop().time()
        for limit in self._running:
            if not limit.expired():
                limit.reschedule(now)

    async def drain(self, grace: float, left: float = 2.0) -> None:
        """Begin nothing new, wait for what runs, stop it after `grace` seconds and give it `left` to say so."""
        self.draining = True
        await self._quiet(grace)
        self.end()
        await self._quiet(left)

    async def _quiet(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._running and loop.time() < until:
            await asyncio.sleep(0.02)
