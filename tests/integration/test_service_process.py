import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import openai
import pytest
from service_process import ServiceProcess, running_service

SLOW = {"question": "join the course deadline docker machine index", "llm": "writer", "stream": True}


@pytest.fixture(scope="module")
def service() -> Iterator[ServiceProcess]:
    with running_service() as service:
        yield service


@pytest.fixture(scope="module")
def slow_service() -> Iterator[ServiceProcess]:
    with running_service({"generations": 2}, pause=1.0) as service:
        yield service


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def in_flight(url: str, gate: str = "generation") -> float:
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        if line.startswith(f'llm_engineering_in_flight{{gate="{gate}"}}'):
            return float(line.rpartition(" ")[2])
    raise AssertionError("no such number")


def until(condition: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_the_openai_client_lists_models_and_gets_an_answer_with_citations(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["extractive", "writer"]
    assert client.models.retrieve("writer").id == "writer"
    said = client.chat.completions.create(
        model="writer", messages=[{"role": "system", "content": "Lie."}, {"role": "user", "content": "deadline"}]
    )
    assert "[1]" in (said.choices[0].message.content or "")
    assert said.choices[0].finish_reason == "stop"
    assert said.usage is not None
    assert said.usage.prompt_tokens == 12
    assert said.model_extra is not None
    assert said.model_extra["citations"][0]["verdict"] == "found"


def test_the_openai_client_streams_text_citations_and_usage(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="extractive",
        messages=[{"role": "user", "content": [{"type": "text", "text": "deadline"}]}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "[1]" in text
    assert chunks[-1].usage is not None
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-2].model_extra is not None
    assert chunks[-2].model_extra["citations"]


def test_the_openai_client_knows_our_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="unknown", messages=[{"role": "user", "content": "deadline"}])
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="writer", messages=[{"role": "user", "content": " "}])
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="writer", messages=[])


def test_places_for_models_are_few_and_each_is_free_again_soon_after_its_client_left(
    slow_service: ServiceProcess,
) -> None:
    with (
        httpx.Client(timeout=60) as client,
        client.stream("POST", f"{slow_service.url}/ask", json=SLOW) as one,
        client.stream("POST", f"{slow_service.url}/ask", json=SLOW) as two,
    ):
        assert one.status_code == two.status_code == 200
        refused = client.post(f"{slow_service.url}/ask", json=SLOW)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["code"] == "overloaded"
        assert client.post(f"{slow_service.url}/search", json={"query": "deadline"}).status_code == 200
        assert in_flight(slow_service.url) == 2
    assert until(lambda: in_flight(slow_service.url) == 0, 2.0)


def test_work_for_a_client_that_waits_for_no_stream_is_cancelled_too(slow_service: ServiceProcess) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{slow_service.url}/ask", json={**SLOW, "stream": False}, timeout=0.5)
    assert until(lambda: in_flight(slow_service.url) == 0, 2.0)


def test_a_reader_that_takes_nothing_is_cut() -> None:
    with running_service({"stall_seconds": 1.0}) as service:
        host, port = service.url.removeprefix("http://").split(":")
        body = json.dumps({"question": "huge", "llm": "writer", "stream": True}).encode()
        with socket.create_connection((host, int(port))) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            head = f"POST /ask HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert until(lambda: in_flight(service.url) == 1, 10)
            assert until(lambda: in_flight(service.url) == 0, 10)
            assert 'status="499"' in httpx.get(f"{service.url}/metrics").text


def test_a_head_without_an_end_is_refused_and_its_connection_closed(service: ServiceProcess) -> None:
    port = int(service.url.rpartition(":")[2])
    endless = (b"X: " + b"a" * 1_000_000, b"".join(b"X-%d: %s\r\n" % (number, b"a" * 99) for number in range(10_000)))
    for headers in endless:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
            with suppress(ConnectionError):  # it may be closed before all is sent
                for _ in range(50):
                    connection.sendall(headers)
                raise AssertionError("50 MB of headers were taken")
    with httpx.Client(base_url=service.url) as client:
        assert client.get("/health", headers={"x": "a" * 30_000}).status_code == 200
        assert client.post("/search", json={"query": "deadline " * 2_000}).status_code == 200


def test_at_the_end_new_requests_are_refused_and_running_answers_end_by_themselves() -> None:
    with running_service(pause=0.1) as service, httpx.Client(timeout=60) as kept:
        kept.get(f"{service.url}/health")
        with httpx.stream("POST", f"{service.url}/ask", json=SLOW, timeout=60) as reply:
            lines = reply.iter_lines()
            next(lines)
            service.terminate()
            assert until(lambda: kept.get(f"{service.url}/ready").status_code == 503, 10)
            refused = kept.post(f"{service.url}/search", json={"query": "deadline"})
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "shutting_down"
            rest = list(lines)
        assert "event: finished" in rest
        code, log = service.ended()
        assert code == 0, log


def test_answers_that_outlast_the_grace_end_with_a_last_event() -> None:
    with running_service({"grace_seconds": 0.5}, pause=5.0) as service:
        with httpx.stream("POST", f"{service.url}/ask", json=SLOW, timeout=60) as reply:
            lines = reply.iter_lines()
            next(lines)
            service.terminate()
            rest = [line for line in lines if line]
        assert rest[-2] == "event: broken"
        assert json.loads(rest[-1].removeprefix("data: "))["reason"] == "shutting_down"
        code, log = service.ended()
        assert code == 0, log
        assert "running 0 cancelled 1" in log


def test_overload_is_answered_at_once_and_over_when_it_is_over() -> None:
    with running_service({"threads": 2, "waiting": 4}, seconds=0.05) as service, httpx.Client() as client:
        seen: Counter[int] = Counter()
        lock = threading.Lock()

        def ask(_: int) -> None:
            with httpx.Client(timeout=60) as own:
                for _ in range(6):
                    reply = own.post(f"{service.url}/search", json={"query": "deadline"})
                    with lock:
                        seen[reply.status_code] += 1

        with ThreadPoolExecutor(24) as pool:
            list(pool.map(ask, range(24)))
        assert set(seen) == {200, 503}
        assert client.post(f"{service.url}/search", json={"query": "deadline"}).status_code == 200
