"""A throw-away Redis server for tests, from the program that Debian installs."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class RedisServer:
    """A server on loopback, and the folder of its files."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Run a server; without options it keeps nothing on disk."""
    pytest.importorskip("redis", reason="the Redis client (redis) is not installed")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on this machine (Debian: apt-get install redis-server)")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        port = _free_port()
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--logfile", f"{folder}/log"]
        process = subprocess.Popen([*command, *(options or ("--save", "", "--appendonly", "no"))])
        try:
            _wait_for(port, process)
            yield RedisServer(port, Path(folder), process)
        finally:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    from redis import Redis
    from redis.exceptions import RedisError

    give_up = time.monotonic() + 60
    with Redis(port=port) as client:
        while process.poll() is None and time.monotonic() < give_up:
            try:
                client.ping()
                return
            except RedisError:
                time.sleep(0.02)
    raise AssertionError("redis-server did not start")
