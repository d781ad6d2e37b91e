"""What every request passes before its route: a number, the door, its body, and a watch on whether anybody waits."""

import asyncio
import time
from collections.abc import Sequence
from uuid import uuid4

from loguru import logger
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llm_engineering.config.serving import LOOPBACK
from llm_engineering.serving.callers import LOCAL
from llm_engineering.serving.problems import Problem, overloaded, problem_of, shutting_down
from llm_engineering.serving.replies import JSON, encoded, problem_body, problem_headers
from llm_engineering.serving.service import Service

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
# What anybody may ask: whether the service lives, the page that asks for a key, and the description of the routes.
OPEN = ("/", "/health", "/ready", "/openapi.json", "/favicon.ico")
WHILE_DRAINING = ("/health", "/ready", "/metrics")
WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")
# What a request that nobody waited for is logged as; the number is nginx's.
GONE = 499


class Stalled(ConnectionError):  # noqa: N818 - it is what the reader does
    """A reader took nothing for too long."""


class Front:
    """The outermost part of the application: it refuses early, and lets nothing unexpected out."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, send, self._service.settings.stall_seconds)
        try:
            await self._admit(scope)
            body = await self._body(scope, receive) if scope["method"] in WITH_BODY else None
            await self._watched(scope, body, receive, exchange)
        except Exception as error:  # noqa: BLE001 - this is where every error of a request ends
            await self._refuse(exchange, error)
        finally:
            self._note(exchange)

    async def _admit(self, scope: Scope) -> None:
        """Refuse what need not be looked at: the cheapest reasons first."""
        service, path = self._service, scope["path"]
        headers = dict(scope["headers"])
        self._check_host(headers.get(b"host", b"").decode("latin-1"))
        if service.lifetime.draining and path not in WHILE_DRAINING:
            raise shutting_down()
        gates = service.gates_of(path)
        if gates and all(gate.is_full for gate in gates):
            raise overloaded()
        if path in OPEN or path.startswith("/page/"):
            scope["caller"] = LOCAL
            return
        scope["caller"] = service.callers.caller(headers.get(b"authorization", b"").decode("latin-1"))
        service.take_from_bucket(scope["caller"])

    def _check_host(self, host: str) -> None:
        """Refuse foreign host names: without keys, a web page elsewhere must not reach us under its own name."""
        settings = self._service.settings
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if settings.keys and not settings.hosts:
            return
        if name.lower() not in (*LOOPBACK, settings.host, *settings.hosts):
            raise Problem(400, "unknown_host", "the service does not answer to this host name; see serving.hosts")

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        limit = self._service.settings.body_limit
        too_large = Problem(413, "too_large", f"the body has more than {limit} bytes")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > limit:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self._service.settings.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem(GONE, "gone", "the caller left")
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise too_large
                    if not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            raise Problem(408, "slow_body", "the body did not arrive in time") from None

    async def _watched(self, scope: Scope, body: bytes | None, receive: Receive, exchange: "Exchange") -> None:
        """Run the route; cancel it, and all the work behind it, as soon as nobody waits for the reply any more."""
        waiting: list[Message] = [{"type": "http.request", "body": body or b"", "more_body": False}]
        gone = asyncio.Event()

        async def replayed() -> Message:
            if waiting:
                return waiting.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def left() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        route = asyncio.ensure_future(self._app(scope, replayed, exchange.send))
        watch = asyncio.ensure_future(left())
        try:
            await asyncio.wait((route, watch), return_when=asyncio.FIRST_COMPLETED)
            # Servers also report a disconnect right after the reply was sent; the route is given a moment to end.
            if not route.done() and exchange.complete:
                await asyncio.wait((route,), timeout=1.0)
            if not route.done():
                exchange.gone = True
                route.cancel()
                await asyncio.wait((route,))
        finally:
            gone.set()
            watch.cancel()
            route.cancel()
        if not route.cancelled():
            route.result()

    async def _refuse(self, exchange: "Exchange", error: Exception) -> None:
        if isinstance(error, Stalled):
            exchange.gone = True
            raise error
        with logger.contextualize(request=exchange.id):
            problem = problem_of(error)
        if problem.status == 429 or problem.code in ("overloaded", "shutting_down"):
            self._service.metrics.shed(problem.code)
        if problem.status == GONE:
            exchange.gone = True
        elif exchange.status == 0:
            await exchange.refuse(problem)
        else:
            raise error

    def _note(self, exchange: "Exchange") -> None:
        """Count the request and write a line about it: never its body, its query string or its key."""
        scope = exchange.scope
        seconds = time.perf_counter() - exchange.started
        route = getattr(scope.get("route"), "path", "") or "other"
        status = GONE if exchange.gone else exchange.status
        self._service.metrics.request(route, status, seconds)
        level = "DEBUG" if scope["path"] in OPEN or status in (429, 503) else "INFO"
        name = scope["caller"].name if "caller" in scope else "-"
        logger.log(
            level, "{} {} {} {} {:.1f} ms {}", exchange.id, name, scope["method"], route, seconds * 1_000, status
        )


class Exchange:
    """One request and its reply: knows how far the reply is, and cuts readers that take nothing."""

    def __init__(self, scope: Scope, send: Send, stall_seconds: float) -> None:
        self.id = uuid4().hex
        self.scope = scope
        self.started = time.perf_counter()
        self.status = 0
        self.complete = False
        self.gone = False
        self._send = send
        self._stall_seconds = stall_seconds
        scope["request_id"] = self.id

    async def send(self, message: Message) -> None:
        """Send a part of the reply, with our headers on its first part.

        Raises:
            Stalled: the reader took nothing for too long.
        """
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *self._headers(message.get("headers", ()))]}
        elif not message.get("more_body"):
            self.complete = True
        try:
            async with asyncio.timeout(self._stall_seconds):
                await self._send(message)
        except TimeoutError:
            raise Stalled("the reader takes nothing") from None

    def _headers(self, present: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        ours = SECURITY | {"x-request-id": self.id}
        if not self.scope["path"].startswith("/page/"):
            ours |= {"cache-control": "no-store"}
        there = {name.lower() for name, _ in present}
        return [(name.encode(), value.encode()) for name, value in ours.items() if name.encode() not in there]

    async def refuse(self, problem: Problem) -> None:
        """Reply with a problem."""
        body = encoded(problem_body(problem, self.id, self.scope["path"]))
        headers = {"content-type": JSON, "content-length": str(len(body)), **problem_headers(problem)}
        if problem.status in (408, 413):  # what is left of the body is not read
            headers["connection"] = "close"
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": pairs})
        await self.send({"type": "http.response.body", "body": body})
