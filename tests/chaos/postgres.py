"""A PostgreSQL server that can be stopped and started, and a proxy that drops its connections."""

import os
import random
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest


class Cluster:
    """A throw-away PostgreSQL cluster on a loopback port of its own."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("psycopg", reason="PostgreSQL's driver (psycopg) is not installed")
        installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not installed:
            pytest.skip("no PostgreSQL server in /usr/lib/postgresql")
        self._programs = installed[-1]
        self._folder = folder
        folder.chmod(0o777)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._call("initdb", "--username", "tester", "--auth", "trust", "--no-sync", "--encoding", "UTF8")

    def url(self, port: int | None = None) -> str:
        return f"postgresql://tester@127.0.0.1:{port or self.port}/postgres"

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self._folder}"
        self._call("pg_ctl", "start", "--wait", "--log", f"{self._folder}/log", "--options", f"{options} -c fsync=off")

    def stop(self) -> None:
        self._call("pg_ctl", "stop", "--mode", "immediate")

    def clear(self) -> None:
        """Remove all tables."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def statuses(self) -> list[str]:
        """Return what became of the runs. Their numbers have gaps: a server that crashed passes over some."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            return [row[0] for row in connection.execute("SELECT status FROM runs ORDER BY run").fetchall()]

    def _call(self, program: str, *arguments: str) -> None:
        as_user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        command = [str(self._programs / program), "--pgdata", f"{self._folder}/data", *arguments]
        subprocess.run(command, check=True, cwd=self._folder, stdout=subprocess.DEVNULL, **as_user)


class DroppingProxy:
    """Passes bytes to a port and back, and drops a connection with some probability at each piece."""

    def __init__(self, port: int, dice: random.Random, probability: float) -> None:
        self._port = port
        self._dice = dice
        self._probability = probability
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.drops = 0
        self._threads: list[threading.Thread] = []
        self._serve(self._accept)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _serve(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                for source, target in ((client, server), (server, client)):
                    self._serve(self._pass_on, source, target)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError), source:
            while piece := source.recv(65_536):
                if self._dice.random() < self._probability:
                    self.drops += 1
                    target.shutdown(socket.SHUT_RDWR)
                    source.shutdown(socket.SHUT_RDWR)
                    return
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
