"""The service over language models that hang, drip, die and talk nonsense: deadlines, last events, free places."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from command_lines import config_file
from llm_server import LlmServer
from serve_command import served

from llm_engineering import plain
from llm_engineering.config import FeatureConfig, read_config

pytestmark = pytest.mark.slow

QUESTION = "How many steps has the tower?"
SECONDS = 3.0
BEHAVIOURS = (
    "hang", "drip", "hang_midway", "hang_silently", "die_midway", "end_midway", "die", "not_json", "html", "no_choices",
    "wrong_shape", "bad_events", "error_midway", "redirect", "compressed", "status:401", "status:404",
    "status:500", "babbles", "says", "quotes",
)  # fmt: skip
# What a spell of trouble may take beyond the deadline on a machine that is busy.
SLACK = 6.0


@pytest.fixture(scope="module")
def llms() -> Iterator[LlmServer]:
    with LlmServer() as server:
        server.replies = ["\x00 \u202e [1] <script>QUOTES QUOTES [99] " * 50]
        yield server


@pytest.fixture(scope="module")
def service(llms: LlmServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "texts").mkdir()
    (folder / "texts" / "tower.md").write_text("# Tower\n\nThe tower has 199 steps and one bell.\n")
    limits = "{timeout: 20, first_token_timeout: 15, token_timeout: 15, retries: 0}"
    models = [
        f"{{kind: openai, name: '{b}', model: '{b}', base_url: '{llms.url}/v1', limits: {limits}}}" for b in BEHAVIOURS
    ]
    more = (
        f"llms: [{', '.join(models)}]\n"
        f"answering: {{timeout: {SECONDS}, llm_failure: break, cache_seconds: 0}}\n"
        "serving: {generations: 4, grace_seconds: 1}\n"
    )
    file = config_file(folder, f"{{kind: files, name: texts, root: {folder / 'texts'}}}", more=more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_ENGINEERING_HOME", str(folder / "home"))
        plain.feature(read_config(FeatureConfig, file))
        with served(folder / "home", file) as url, httpx.Client(base_url=url, timeout=60) as client:
            yield client


def in_flight(service: httpx.Client) -> float:
    text = service.get("/metrics").text
    return float(text.partition('in_flight{gate="generation"} ')[2].split()[0])


def reaches(service: httpx.Client, places: int) -> bool:
    until = time.monotonic() + SECONDS
    while in_flight(service) < places and time.monotonic() < until:
        time.sleep(0.02)
    return in_flight(service) == places


def is_free(service: httpx.Client, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while in_flight(service) and time.monotonic() < until:
        time.sleep(0.02)
    return not in_flight(service)


@pytest.mark.parametrize("model", BEHAVIOURS)
def test_every_stream_ends_in_time_with_a_last_event_and_a_free_place(
    service: httpx.Client, llms: LlmServer, model: str
) -> None:
    began = time.monotonic()
    reply = service.post("/ask", json={"question": QUESTION, "llm": model, "stream": True})
    assert time.monotonic() - began < SECONDS + SLACK
    name, data = reply.text.strip().split("\n\n")[-1].split("\n")
    body: dict[str, Any] = json.loads(data.removeprefix("data: "))
    if model in ("says", "quotes"):
        assert name == "event: finished"
    else:
        assert name == "event: broken", reply.text
        assert body["reason"] in ("timeout", "llm_failed")
        assert "127.0.0.1" not in body["detail"]
        assert llms.url not in reply.text
    assert is_free(service, 2.0)


@pytest.mark.parametrize("model", ["hang", "drip", "die_midway", "html"])
def test_whole_answers_and_other_clients_get_an_error_with_a_status(service: httpx.Client, model: str) -> None:
    reply = service.post("/ask", json={"question": QUESTION, "llm": model})
    assert reply.status_code in (503, 504), reply.text
    messages = [{"role": "user", "content": QUESTION}]
    told = service.post("/v1/chat/completions", json={"model": model, "messages": messages, "stream": True})
    assert '"error"' in told.text
    assert "[DONE]" not in told.text
    assert is_free(service, 2.0)


def test_who_leaves_midway_frees_the_place_and_the_model(service: httpx.Client, llms: LlmServer) -> None:
    for _ in range(6):  # more than there are places
        with service.stream("POST", "/ask", json={"question": QUESTION, "llm": "babbles", "stream": True}) as reply:
            lines = reply.iter_lines()
            while next(lines) != "event: piece":
                pass
            assert in_flight(service) == 1
        assert is_free(service, 2.0)
    until = time.monotonic() + 5
    while llms.running and time.monotonic() < until:
        time.sleep(0.05)
    assert llms.running == 0


def test_who_leaves_without_a_word_before_the_first_event_frees_the_place(service: httpx.Client) -> None:
    body = json.dumps({"question": QUESTION, "llm": "hang"}).encode()
    address = (service.base_url.host, service.base_url.port or 80)
    with socket.create_connection(address) as caller:
        head = "POST /ask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert reaches(service, 1)
    assert is_free(service, 2.0)


def test_when_all_places_hang_the_next_is_refused_at_once_and_searches_go_on(service: httpx.Client) -> None:
    with ThreadPoolExecutor(4) as threads:
        hanging = [threads.submit(service.post, "/ask", json={"question": QUESTION, "llm": "hang"}) for _ in range(4)]
        assert reaches(service, 4)
        refused = service.post("/ask", json={"question": QUESTION, "llm": "quotes"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert service.post("/search", json={"query": QUESTION}).status_code == 200
        assert service.post("/ask", json={"question": QUESTION, "llm": "extractive"}).status_code == 200
        assert {one.result().status_code for one in hanging} == {504}
    assert is_free(service, 2.0)
