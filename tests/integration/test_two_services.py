"""Two processes of the service over one state: they share conversations and idempotency keys, and end in good order."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from command_lines import config_file
from llm_server import LlmServer
from redis_server import redis_server
from serve_command import served

from llm_engineering import plain
from llm_engineering.config import FeatureConfig, read_config

pytestmark = pytest.mark.slow

QUESTION = "How many steps has the tower?"


@pytest.fixture
def llms() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


@pytest.fixture(params=["sql", "redis"])
def configuration(request: pytest.FixtureRequest, tmp_path: Path, llms: LlmServer) -> Iterator[Path]:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "tower.md").write_text("# Tower\n\nThe tower has 199 steps and one bell.\n")
    with ExitStack() as stack:
        state = "state: {kind: sql}\n"
        if request.param == "redis":
            state = f"state: {{kind: redis, url: '{stack.enter_context(redis_server()).url}'}}\n"
        models = [f"{{kind: openai, name: {b}, model: {b}, base_url: '{llms.url}/v1'}}" for b in ("quotes", "babbles")]
        more = f"{state}llms: [{', '.join(models)}]\nserving: {{grace_seconds: 1}}\nanswering: {{condense: rules}}\n"
        file = config_file(tmp_path, f"{{kind: files, name: texts, root: {tmp_path / 'texts'}}}", more=more)
        plain.feature(read_config(FeatureConfig, file))
        yield file


def test_two_processes_share_conversations_and_answers_and_end_their_streams(
    home: Path, configuration: Path, llms: LlmServer
) -> None:
    with ExitStack() as stack:
        first_url = stack.enter_context(served(home, configuration))
        first = stack.enter_context(httpx.Client(base_url=first_url, timeout=60))
        reader = stack.enter_context(ThreadPoolExecutor(1))
        with served(home, configuration) as second_url:
            # Closed after its service has ended: what the stream says last is read to the end.
            second = stack.enter_context(httpx.Client(base_url=second_url, timeout=60))
            conversation = first.post("/conversations", json={}).json()["id"]
            with ThreadPoolExecutor(8) as threads:
                asked = {"question": QUESTION, "conversation_id": conversation}
                sent = [threads.submit((first, second)[at % 2].post, "/ask", json=asked) for at in range(20)]
                assert {one.result().status_code for one in sent} == {200}
                for service in (first, second):
                    assert len(service.get(f"/conversations/{conversation}").json()["turns"]) == 20
                key = {"Idempotency-Key": "once"}
                body = {"question": f"{QUESTION} Please.", "llm": "quotes"}
                before = len(llms.requests)
                again = [
                    threads.submit((first, second)[at % 2].post, "/ask", json=body, headers=key) for at in range(8)
                ]
                codes = [one.result().status_code for one in again]
            assert set(codes) <= {200, 409}
            replies = [service.post("/ask", json=body, headers=key).json() for service in (first, second)]
            assert replies[0] == replies[1]
            assert {one.result().json()["id"] for one in again if one.result().status_code == 200} <= {replies[0]["id"]}
            assert len(llms.requests) - before == 1
            stream = second.stream("POST", "/ask", json={"question": QUESTION, "llm": "babbles", "stream": True})
            lines = stack.enter_context(stream).iter_lines()
            while next(lines) != "event: piece":
                pass
            # The block's end terminates the second service in the middle of its stream.
            rest = reader.submit(lambda: list(lines))
        said = [line for line in rest.result() if line]
        assert said[-2] == "event: broken"
        assert json.loads(said[-1].removeprefix("data: "))["reason"] == "shutting_down"
        assert first.post("/ask", json={"question": QUESTION}).status_code == 200
