"""A server on the loopback interface that writes instructions and preferences, and counts what it is asked."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_PASSAGE = re.compile(r"<<(\w+) passage>>\n(.*)\n<<\1 end of passage>>", re.DOTALL)


class WritingLlm:
    """Speaks OpenAI's shape. `reply` makes an answer of what it is asked; `asked` counts the prompts."""

    def __init__(self, reply: Callable[[str], str]) -> None:
        self.reply = reply
        self.asked: Counter[str] = Counter()  # by the user's message of the first request
        self.answered: Counter[str] = Counter()
        self.calls = 0
        self.stop_after = 0  # so many calls are answered, and the next ones hang until `go_on` is set; 0: no limit
        self.go_on = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._server.handle_error = lambda request, address: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def section(self, *, budget: dict[str, object] | None = None) -> str:
        """Return the override that names this server as the model."""
        llm = {
            "kind": "openai", "name": "writer", "model": "m", "base_url": f"http://127.0.0.1:{self._server.server_port}/v1",
            "price": {"input": 1, "output": 2}, "budget": budget or {}, "limits": {"retries": 0, "breaker_failures": 0},
        }  # fmt: skip
        return f"llms=[{json.dumps(llm)}]"

    def take(self, messages: list[dict[str, str]]) -> str | None:
        first = next(message["content"] for message in messages if message["role"] == "user")
        with self._lock:
            self.calls += 1
            number = self.calls
            self.asked[first] += 1
        if self.stop_after and number > self.stop_after:
            self.go_on.wait(60)
            return None
        text = self.reply(first)
        with self._lock:
            self.answered[first] += 1
        return text


def passage_in(prompt: str) -> str:
    """Return the passage that a prompt shows, or nothing."""
    found = _PASSAGE.search(prompt)
    return found[2] if found else ""


def items(*found: dict[str, str]) -> str:
    return json.dumps({"items": list(found)})


def honest(prompt: str) -> str:
    """Return the last sentence of the passage as the answer."""
    line = passage_in(prompt).strip().splitlines()[-1]
    return items({"question": f"What is known of {' '.join(line.split()[:4])}?", "answer": line})


def preferring(prompt: str) -> str:
    """Return the last line of the passage as the extract, and its words in another order as the worse answer."""
    line = passage_in(prompt).strip().splitlines()[-1]
    worse = " ".join(reversed(line.rstrip(".").split()))
    return items({"question": f"What is known of {' '.join(line.split()[:4])}?", "extract": line, "answer": worse})


def inventing(prompt: str) -> str:
    """Return what no passage says, whatever is asked."""
    line = passage_in(prompt).strip().splitlines()[-1]
    subject = " ".join(line.split()[:4])
    answer = f"{subject} were invented by Gottfried Zorbo in 1873 and sold throughout Atlantis for 12 florins."
    return items({"question": f"Who invented {subject}?", "answer": answer, "extract": answer})


def _handler_of(llm: WritingLlm) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            text = llm.take(body["messages"])
            if text is None:
                return
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
            base = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
            data = json.dumps({**base, "choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler
