"""The server around the application: it listens, and when it is told to end it lets running answers end first."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI
from loguru import logger

from llm_engineering.config.serving import Serving
from llm_engineering.domain.errors import UsageError
from llm_engineering.serving.heads import protocol
from llm_engineering.serving.service import Service

# Connections that wait to be accepted, and those that are held open, busy or not.
BACKLOG = 1_024
CONNECTIONS = 4_096
KEEP_ALIVE_SECONDS = 30


class Server(uvicorn.Server):
    """A server that first drains: at SIGTERM or SIGINT it refuses what is new with 503, waits for running answers, ends
    them with a last event when their time is over, and only then stops. The second signal stops it at once."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as uvicorn has it
        """Begin to end. Python calls it between two instructions of the main thread, so the loop has to be woken."""
        if self._loop is None or self._service.lifetime.draining:
            self.should_exit = True
            self.force_exit = self._service.lifetime.draining
            return
        logger.info("{}: no new requests; running answers may end", signal.Signals(sig).name)
        self._service.lifetime.draining = True
        self._loop.call_soon_threadsafe(self._begin_to_drain)

    def _begin_to_drain(self) -> None:
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        try:
            await self._service.lifetime.drain(self._service.settings.grace_seconds)
        finally:
            self.should_exit = True


def listening(settings: Serving) -> socket.socket:
    """Return a socket that listens at the configured address.

    Raises:
        UsageError: the address is taken, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise UsageError(
            f"cannot listen at {settings.host} port {settings.port} ({error.strerror or error}); choose another with "
            "--port or serving.port, 0 for any free one"
        ) from None


def serve(app: FastAPI, listener: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve until a signal comes. `announce` is called with the address once requests are answered."""
    service: Service = app.state.service
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        app,
        http=protocol(),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        lifespan="on",
        limit_concurrency=CONNECTIONS,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=3,
        ws="none",
    )
    server = Server(config, service)
    # What is loaded by now stays: a collector that went through it again and again would hold up replies.
    gc.freeze()
    service.on_start = lambda: announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    server.run(sockets=[listener])
