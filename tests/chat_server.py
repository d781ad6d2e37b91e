"""A server with the assistant's HTTP interface whose answers are written by the test: also those that a real service
gives only in bad moments (streams that break, limits, hostile names)."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import llm_engineering.serving

PAGE = Path(llm_engineering.serving.__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
Event = tuple[str, dict[str, Any]]


@dataclass
class Script:
    """How the server answers the next question: seconds to wait or bytes to cut at, or an error instead."""

    events: list[Event] = field(default_factory=list)
    pause: float = 0.0
    split: int = 0  # bytes a chunk; 0: one chunk an event
    hang: bool = False  # never end
    status: int = 200
    error: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Chat:
    """What the server knows, and what it was sent."""

    scripts: list[Script] = field(default_factory=list)
    facets: dict[str, dict[str, int]] = field(default_factory=lambda: {"source": {"faq": 948}})
    models: list[str] = field(default_factory=lambda: ["extractive"])
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    conversations: dict[str, dict[str, Any]] = field(default_factory=dict)
    key: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)


def failure(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    body = {"error": {"code": "refused", "message": message, "request_id": "r-17"}}
    return JSONResponse(body, status, headers)


class Guard:
    """Adds the headers to every response, and asks for the key where there is one."""

    def __init__(self, app: ASGIApp, chat: Chat) -> None:
        self.app, self.chat = app, chat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in HEADERS.items())]
            await send(message)

        request = Request(scope)
        is_open = scope["path"] == "/" or scope["path"].startswith("/page/")
        if self.chat.key and not is_open and request.headers.get("authorization") != f"Bearer {self.chat.key}":
            await failure(401, "")(scope, receive, with_headers)
        else:
            await self.app(scope, receive, with_headers)


def app_of(chat: Chat) -> Starlette:
    async def ask(request: Request) -> Response:
        chat.asked.append(await request.json())
        chat.names.append(request.headers["idempotency-key"])
        script = chat.scripts.pop(0)
        if script.status != 200:
            return failure(script.status, script.error, script.headers)
        return StreamingResponse(streamed(chat, script), media_type="text/event-stream")

    async def document(request: Request) -> Response:
        known = chat.documents.get(request.path_params["id"])
        if known is None:
            return failure(404, "No such document.")
        query = request.query_params
        start, end, context = int(query["start"]), int(query["end"]), int(query["context"])
        text = known["text"]
        parts = {"before": text[max(0, start - context) : start], "span": text[start:end]}
        parts["after"] = text[end : end + context]
        rest = {name: value for name, value in known.items() if name != "text"}
        place = {"document_id": request.path_params["id"], "start": start, "end": end, "characters": len(text)}
        return JSONResponse({**rest, **parts, **place})

    async def conversations(request: Request) -> Response:
        return JSONResponse([{**known, "turns": []} for known in chat.conversations.values()])

    async def conversation(request: Request) -> Response:
        known = chat.conversations.get(request.path_params["id"])
        if known is None:
            return failure(404, "")
        if request.method == "DELETE":
            del chat.conversations[known["id"]]
            return Response(status_code=204)
        return JSONResponse(known)

    async def feedback(request: Request) -> Response:
        chat.feedback.append(await request.json())
        return Response(status_code=204)

    async def models(request: Request) -> Response:
        return JSONResponse({"models": chat.models, "default": chat.models[0]})

    async def facets(request: Request) -> Response:
        return JSONResponse(chat.facets)

    async def index(request: Request) -> Response:
        return Response((PAGE / "index.html").read_bytes(), media_type="text/html")

    routes = [
        Route("/", index),
        Mount("/page", StaticFiles(directory=PAGE)),
        Route("/ask", ask, methods=["POST"]),
        Route("/documents/{id}", document),
        Route("/conversations", conversations),
        Route("/conversations/{id}", conversation, methods=["GET", "DELETE"]),
        Route("/feedback", feedback, methods=["POST"]),
        Route("/models", models),
        Route("/facets", facets),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, chat=chat)])


async def streamed(chat: Chat, script: Script) -> AsyncIterator[bytes]:
    try:
        for name, data in script.events:
            block = f"event: {name}\r\ndata: {json.dumps(data, ensure_ascii=False)}\r\n\r\n".encode()
            step = script.split or len(block)
            for at in range(0, len(block), step):
                yield block[at : at + step]
                await asyncio.sleep(script.pause)
        while script.hang:
            await asyncio.sleep(0.05)
    finally:
        chat.left.set()


class Running:
    """The server on a free loopback port, in a thread of its own."""

    def __init__(self, app: Any) -> None:
        options = {"log_level": "critical", "ws": "none", "timeout_graceful_shutdown": 1}
        config = uvicorn.Config(app, host="127.0.0.1", port=0, **options)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=30)
