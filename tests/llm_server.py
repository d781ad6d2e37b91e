"""A server on the loopback interface that speaks like OpenAI's, Anthropic's and Bedrock's, well or badly.

The name of the model in a request is what the server does: `normal`, `hang`, `drip` … (`_BEHAVIOURS`).
"""

import asyncio
import json
import re
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from struct import pack
from typing import Any, Self
from urllib.parse import unquote
from zlib import crc32

TEXT = "Grüße aus Zürich 🦜, 日本語."


@dataclass
class Received:
    """A request: when it came, and when its client went before it was answered."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float = field(default_factory=time.monotonic)
    left_at: float | None = None


class LlmServer:
    """Runs in a thread of its own; `with LlmServer() as server`."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.running = 0
        self.most_running = 0
        self.replies: list[str] = []  # what `says` answers, one after the other; the last one stays
        self.failures = 0  # how many times `flaky` and `busy` fail
        self.retry_after = "1"
        self.seconds = 0.0  # how long `slow` takes
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *rest: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def left(self, seconds: float = 5.0) -> Received:
        """Return the last request once its client has gone."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.requests and self.requests[-1].left_at is not None:
                return self.requests[-1]
            time.sleep(0.01)
        raise AssertionError("the client is still connected")

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
            }
            body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
            received = Received(lines[0].split()[1], headers, body)
            self.requests.append(received)
            await self._answered(Exchange(self, received, writer), reader)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    async def _answered(self, exchange: "Exchange", reader: asyncio.StreamReader) -> None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        answer = asyncio.ensure_future(_BEHAVIOURS[exchange.behaviour](exchange))
        gone = asyncio.ensure_future(reader.read())
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() and not answer.done():
                exchange.received.left_at = time.monotonic()
            elif not answer.cancelled() and (error := answer.exception()) and not isinstance(error, ConnectionError):
                raise error
        finally:
            self.running -= 1
            answer.cancel()
            gone.cancel()


@dataclass
class Exchange:
    """A request and the means to answer it."""

    server: LlmServer
    received: Received
    writer: asyncio.StreamWriter

    @property
    def model(self) -> str:
        return str(self.received.body.get("model") or unquote(self.received.path.split("/")[2]))

    @property
    def behaviour(self) -> str:
        return self.model.partition(":")[0]

    @property
    def is_streamed(self) -> bool:
        return bool(self.received.body.get("stream")) or self.is_bedrock_stream

    @property
    def is_bedrock_stream(self) -> bool:
        return self.received.path.endswith("/converse-stream")

    @property
    def is_anthropic(self) -> bool:
        return self.received.path.startswith("/v1/messages")

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int = 200, content_type: str = "application/json", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {content_type}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def json(self, body: object, status: int = 200, **headers: str) -> None:
        await self.head(status, **headers)
        await self.send(json.dumps(body).encode())

    async def event(self, data: object, name: str = "") -> None:
        prefix = f"event: {name}\n" if name else ""
        await self.send(f"{prefix}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode())

    async def piece(self, text: str) -> None:
        if self.is_bedrock_stream:
            await self.send(_aws_event("contentBlockDelta", {"delta": {"text": text}, "contentBlockIndex": 0}))
        elif self.is_anthropic:
            delta = {"type": "text_delta", "text": text}
            await self.event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
        else:
            await self.event(_chunk(self.model, {"content": text}))

    async def begin(self) -> None:
        if self.is_bedrock_stream:
            await self.head(content_type="application/vnd.amazon.eventstream")
            await self.send(_aws_event("messageStart", {"role": "assistant"}))
            return
        await self.head(content_type="text/event-stream")
        if self.is_anthropic:
            start = {
                "type": "message_start",
                "message": {**_message(self.model, ""), "content": [], "stop_reason": None},
            }
            await self.event(start, "message_start")
            block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
            await self.event(block, "content_block_start")

    async def end(self, text: str, finish: str = "stop") -> None:
        if self.is_bedrock_stream:
            await self.send(_aws_event("contentBlockStop", {"contentBlockIndex": 0}))
            await self.send(
                _aws_event("messageStop", {"stopReason": "max_tokens" if finish == "length" else "end_turn"})
            )
            usage = {"inputTokens": 7, "outputTokens": len(text), "totalTokens": 7 + len(text)}
            await self.send(_aws_event("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}))
            return
        if self.is_anthropic:
            await self.event({"type": "content_block_stop", "index": 0}, "content_block_stop")
            reason = "max_tokens" if finish == "length" else "end_turn"
            delta = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}}
            await self.event({**delta, "usage": {"output_tokens": len(text)}}, "message_delta")
            await self.event({"type": "message_stop"}, "message_stop")
            return
        await self.event(_chunk(self.model, {}, finish))
        await self.event({**_chunk(self.model, {}), "choices": [], "usage": _usage(text)})
        await self.event("[DONE]")

    async def says(self, text: str, finish: str = "stop") -> None:
        """Answer as a good server does."""
        if self.is_streamed:
            await self.begin()
            for letter in text:
                await self.piece(letter)
            await self.end(text, finish)
        elif self.is_anthropic:
            await self.json(_message(self.model, text, "max_tokens" if finish == "length" else "end_turn"))
        elif self.received.path.startswith("/model/"):
            await self.json(
                {
                    "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
                    "stopReason": "max_tokens" if finish == "length" else "end_turn",
                    "usage": {"inputTokens": 7, "outputTokens": len(text), "totalTokens": 7 + len(text)},
                    "metrics": {"latencyMs": 1},
                }
            )
        else:
            await self.json(_completion(self.model, text, finish))


def _aws_event(kind: str, body: dict[str, Any]) -> bytes:
    """Encode an event as AWS does: lengths, checksum, headers, payload, checksum."""
    named = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        pack("!B", len(name)) + name.encode() + pack("!BH", 7, len(value)) + value.encode()
        for name, value in named.items()
    )
    payload = json.dumps(body).encode()
    prelude = pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + pack("!I", crc32(prelude)) + headers + payload
    return message + pack("!I", crc32(message))


def _usage(text: str) -> dict[str, int]:
    return {"prompt_tokens": 7, "completion_tokens": len(text), "total_tokens": 7 + len(text)}


def _completion(model: str, text: str, finish: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    base = {"id": "c1", "object": "chat.completion", "created": 1, "model": model}
    return {**base, "choices": [choice], "usage": _usage(text)}


def _chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}


def _message(model: str, text: str, reason: str | None = "end_turn") -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": len(text)},
    }


async def _normal(exchange: Exchange) -> None:
    await exchange.says(TEXT)


async def _cut(exchange: Exchange) -> None:
    await exchange.says(TEXT, "length")


async def _says(exchange: Exchange) -> None:
    replies = exchange.server.replies
    await exchange.says(replies.pop(0) if len(replies) > 1 else replies[0])


async def _quotes(exchange: Exchange) -> None:
    """Repeat the first line with words of each passage in the prompt, and prove it by a quote."""
    prompt = exchange.received.body["messages"][-1]["content"]
    passages = re.findall(r"<<(\w+) passage (\d+)>>\n(.*?)\n<<\1 end", prompt, re.DOTALL)
    said = [
        (number, next(line for line in reversed(text.splitlines()) if line.strip())) for _, number, text in passages
    ]
    answer = " ".join(f"{line.rstrip('.')} [{number}]." for number, line in said)
    await exchange.says(answer + "\nQUOTES\n" + "\n".join(f'[{number}] "{line}"' for number, line in said))


async def _no_schema(exchange: Exchange) -> None:
    if "response_format" in exchange.received.body:
        await exchange.json({"error": {"message": "no response_format", "type": "invalid_request_error"}}, 400)
    else:
        await _says(exchange)


async def _slow(exchange: Exchange) -> None:
    await asyncio.sleep(exchange.server.seconds)
    await exchange.says(TEXT)


async def _drip(exchange: Exchange) -> None:
    if not exchange.is_streamed:
        await exchange.head()
        while True:
            await exchange.send(b" ")
            await asyncio.sleep(0.1)
    await exchange.begin()
    while True:
        await exchange.piece("a")
        await asyncio.sleep(0.1)


async def _babbles(exchange: Exchange) -> None:
    """Write sentence after sentence, for ever."""
    await exchange.begin()
    while True:
        await exchange.piece("The tower has 199 steps [1]. ")
        await asyncio.sleep(0.1)


async def _hang(exchange: Exchange) -> None:
    await asyncio.sleep(3_600)


async def _hang_midway(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.piece("be")
    await exchange.piece("gun")
    await asyncio.sleep(3_600)


async def _hang_silently(exchange: Exchange) -> None:
    await exchange.begin()
    while True:
        await exchange.send(b": keep-alive\n\n")
        await asyncio.sleep(0.1)


async def _die_midway(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.piece("begun")
    exchange.writer.transport.abort()


async def _end_midway(exchange: Exchange) -> None:
    """Close in good order, but before the end of the answer."""
    await exchange.begin()
    await exchange.piece("begun")


async def _die(exchange: Exchange) -> None:
    exchange.writer.transport.abort()


async def _busy(exchange: Exchange) -> None:
    if exchange.server.failures > 0:
        exchange.server.failures -= 1
        error = {"message": f"slow down; you said {exchange.received.body}", "type": "rate_limit_error", "code": "busy"}
        await exchange.json({"type": "error", "error": error}, 429, Retry_After=exchange.server.retry_after)
    else:
        await exchange.says(TEXT)


async def _flaky(exchange: Exchange) -> None:
    if exchange.server.failures > 0:
        exchange.server.failures -= 1
        await exchange.json({"error": {"message": f"oops {exchange.received.body}", "type": "server_error"}}, 500)
    else:
        await exchange.says(TEXT)


async def _status(exchange: Exchange) -> None:
    """Model `status:403`."""
    said = {"message": f"no: {exchange.received.headers} {exchange.received.body}", "type": "some_error"}
    await exchange.json({"error": said}, int(exchange.model.partition(":")[2]))


async def _not_json(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.send(b'{"choices": [')


async def _html(exchange: Exchange) -> None:
    await exchange.head(content_type="text/html")
    await exchange.send(b"<html><body>Welcome to the router</body></html>")


async def _no_choices(exchange: Exchange) -> None:
    if exchange.is_streamed:
        await exchange.head(content_type="text/event-stream")
        await exchange.event({**_chunk(exchange.model, {}), "choices": []})
        await exchange.event("[DONE]")
    else:
        await exchange.json({**_completion(exchange.model, ""), "choices": []})


async def _wrong_shape(exchange: Exchange) -> None:
    if exchange.is_streamed:
        await exchange.head(content_type="text/event-stream")
        await exchange.event({"choices": "none", "hello": [1, 2]})
        await exchange.event("[DONE]")
    else:
        await exchange.json({"hello": "world"})


async def _bad_events(exchange: Exchange) -> None:
    await exchange.head(content_type="text/event-stream")
    await exchange.send(b"data: {not json\n\ndata: \xff\xfe\n\nevent: what\n\n")


async def _error_midway(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.piece("begun")
    await exchange.event({"error": {"message": f"boom {exchange.received.body}", "type": "server_error"}})


async def _huge(exchange: Exchange) -> None:
    await exchange.head()
    while True:
        await exchange.send(b" " * 2**20)


async def _compressed(exchange: Exchange) -> None:
    await exchange.head(Content_Encoding="gzip")
    await exchange.send(b"\x1f\x8b")


async def _redirect(exchange: Exchange) -> None:
    await exchange.json({}, 307, Location="/elsewhere")


async def _split(exchange: Exchange) -> None:
    """Cut the stream between any two bytes, also inside of a letter and of a line end."""
    await exchange.head(content_type="text/event-stream")
    chunk = {**_chunk(exchange.model, {"content": TEXT}), "note": TEXT}
    data = f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n".encode()
    end = f"data: {json.dumps(_chunk(exchange.model, {}, 'stop'))}\n\ndata: [DONE]\n\n".encode()
    for byte in data + end:
        await exchange.send(bytes([byte]))
        await asyncio.sleep(0)


async def _uncounted(exchange: Exchange) -> None:
    """Say nothing of tokens."""
    body = _completion(exchange.model, TEXT)
    del body["usage"]
    await exchange.json(body)


async def _thinking(exchange: Exchange) -> None:
    await exchange.begin()
    for _ in range(8):
        await exchange.event(_chunk(exchange.model, {"reasoning_content": "hm "}))
        await asyncio.sleep(0.1)
    await exchange.piece("done")
    await exchange.end("done")


_BEHAVIOURS: dict[str, Callable[[Exchange], Awaitable[None]]] = {
    name.removeprefix("_"): function
    for name, function in list(globals().items())
    if asyncio.iscoroutinefunction(function)
}
