"""A load client in as little Python as possible, so that it takes few processors from what it measures.

    python -m benchmarks.load URL PATH FIELD --clients 8 --seconds 10
    python -m benchmarks.load URL PATH FIELD --rate 200 --seconds 10

With clients, each asks again as soon as it has its reply; with a rate, requests come at random moments whatever became
of the others. The last line is a JSON object: latencies in milliseconds by status, and replies in each second.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import defaultdict
from urllib.parse import urlsplit

from benchmarks.words import question

# Connections of an open load; a request that finds none free is counted as `no_connection`.
MOST_CONNECTIONS = 400


class Load:
    """Requests to one route, and how long their replies took."""

    def __init__(self, url: str, path: str, field: str, seed: int) -> None:
        parts = urlsplit(url)
        self.host, self.port = str(parts.hostname), int(parts.port or 80)
        self.path, self.field = path, field
        self.random = random.Random(seed)
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.open = 0

    async def connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        if self.free:
            return self.free.pop()
        if self.open >= MOST_CONNECTIONS:
            return None
        self.open += 1
        return await asyncio.open_connection(self.host, self.port)

    async def ask(self) -> None:
        body = json.dumps({self.field: question(self.random)}).encode()
        head = f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
        started = time.perf_counter()
        connection = await self.connection()
        if connection is None:
            self.seconds["no_connection"].append(0.0)
            return
        reader, writer = connection
        try:
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            status = await self.reply(reader)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            status = type(error).__name__
            self.open -= 1
        else:
            self.free.append(connection)
        self.seconds[status].append(time.perf_counter() - started)

    async def reply(self, reader: asyncio.StreamReader) -> str:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        await reader.readexactly(length)
        return head.split(" ", 2)[1]

    async def closed(self, clients: int, seconds: float) -> None:
        end = time.perf_counter() + seconds

        async def client() -> None:
            while time.perf_counter() < end:
                await self.ask()

        await asyncio.gather(*(client() for _ in range(clients)))

    async def paced(self, rate: float, seconds: float) -> None:
        start = at = time.perf_counter()
        tasks = set()
        while at < start + seconds:
            at += self.random.expovariate(rate)
            if (wait := at - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.ensure_future(self.ask())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=30)


def main() -> None:
    """Make the load and print what came back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("path")
    parser.add_argument("field")
    parser.add_argument("--clients", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    load = Load(arguments.url, arguments.path, arguments.field, arguments.seed)
    run = (
        load.paced(arguments.rate, arguments.seconds)
        if arguments.rate
        else load.closed(arguments.clients, arguments.seconds)
    )
    started = time.perf_counter()
    asyncio.run(run)
    taken = time.perf_counter() - started
    print(json.dumps({status: summary(seconds, taken) for status, seconds in load.seconds.items()}))


def summary(seconds: list[float], taken: float) -> dict[str, float]:
    """Return count, replies in a second, and percentiles in milliseconds."""
    ordered = sorted(seconds)
    at = {
        f"p{share}": round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)] * 1_000, 1)
        for share in (50, 95, 99)
    }
    return {"count": len(ordered), "per_second": round(len(ordered) / taken, 1), **at}


if __name__ == "__main__":
    sys.exit(main())
