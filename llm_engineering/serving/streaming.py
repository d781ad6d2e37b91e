"""Answers as server-sent events."""

from contextlib import aclosing
from typing import Protocol

from fastapi import Response
from starlette.types import Receive, Scope, Send

from llm_engineering.domain.answers import AnswerEvent, Broken, Finished, Sources
from llm_engineering.infrastructure.observability.sessions import in_session
from llm_engineering.serving.asking import Asked, events, interrupted
from llm_engineering.serving.front import Stalled
from llm_engineering.serving.service import Service

EVENT_STREAM = "text/event-stream"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # proxies of nginx's kind pass each event on at once
]


class Rendering(Protocol):
    """How the events of one answer are written."""

    async def rendered(self, event: AnswerEvent) -> bytes:
        """Return the bytes of an event; none, if there is nothing to be said."""
        ...

    async def ended(self) -> None:
        """Take note that nothing more will be sent, whatever the reason."""
        ...


class AnswerStream(Response):
    """An answer, sent as it is made. It holds a place until its end, and always ends with a last event.

    Until the first event is there, errors are replies with a status of their own.
    """

    def __init__(self, service: Service, asked: Asked, rendering: Rendering) -> None:
        super().__init__(media_type=EVENT_STREAM)
        self._service = service
        self._asked = asked
        self._rendering = rendering

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        writer = _Writer(self._rendering, send)
        try:
            place = self._service.gate(self._asked.question.llm).passed()
            with place, in_session(self._asked.conversation_id or ""):
                await self._write(writer)
                await send({"type": "http.response.body", "body": b""})
        finally:
            await self._rendering.ended()

    async def _write(self, writer: "_Writer") -> None:
        service = self._service
        try:
            async with (
                service.lifetime.within(service.settings.request_seconds),
                aclosing(events(service, self._asked)) as made,
            ):
                async for event in made:
                    await writer.write(event)
        except Stalled:
            raise
        except Exception as error:
            if not writer.begun:
                raise
            if not writer.over:
                await writer.write(interrupted(service, writer.answer_id, error))


class _Writer:
    """Sends events, and knows whether the first and the last have been sent."""

    def __init__(self, rendering: Rendering, send: Send) -> None:
        self.begun = False
        self.over = False
        self.answer_id = ""
        self._rendering = rendering
        self._send = send

    async def write(self, event: AnswerEvent) -> None:
        """Send an event, after the head of the reply if it is the first."""
        if isinstance(event, Sources):
            self.answer_id = event.answer_id
        body = await self._rendering.rendered(event)
        if not self.begun:
            self.begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self.over = isinstance(event, Finished | Broken)
