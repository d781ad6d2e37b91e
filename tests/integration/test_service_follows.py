"""A service at work while others change its index and erase documents: nothing fails, nothing old returns."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_lines import config_file
from llm_server import LlmServer
from serve_command import served

from llm_engineering import plain
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.erasure import Target
from llm_engineering.erasure import forget

pytestmark = pytest.mark.slow

SWITCHES = 20
QUESTION = "How many steps has the tower?"
PATIENCE = 60.0
# Between two questions of a thread: the publications need their share of the processor.
PAUSE = 0.15


@pytest.fixture
def llms() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


class Town:
    """Documents that change, and the configuration of an index and a service of them."""

    def __init__(self, folder: Path, llms: LlmServer) -> None:
        self.texts = folder / "texts"
        self.texts.mkdir()
        (self.texts / "baker.md").write_text("# Baker\n\nThe baker opens at six in the morning.\n")
        model = f"{{kind: openai, name: writer, model: quotes, base_url: '{llms.url}/v1'}}"
        more = f"llms: [{model}]\nanswering: {{condense: rules}}\n"
        self.file = config_file(folder, f"{{kind: files, name: texts, root: {self.texts}}}", more=more)
        self.config = read_config(FeatureConfig, self.file)

    def build(self, steps: int) -> None:
        before = "The mayor looks out of a window.\n\n" * (steps % 3)
        (self.texts / "tower.md").write_text(f"# Tower\n\n{before}The tower has {1_000 + steps} steps and one bell.\n")
        plain.feature(self.config)


def said(text: str) -> int:
    """Return the number of steps in an answer."""
    return int(re.search(r"tower has (\d{4}) steps", text)[1]) - 1_000  # type: ignore[index]


class Asking:
    """Asks again and again from several threads, until it is told to stop."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.stop = threading.Event()
        self.asked = 0
        self.troubles: list[str] = []
        self.latest: dict[str, int] = {}

    def run(self, name: str, ask: Callable[[], tuple[int, str]]) -> None:
        last = 0
        while not self.stop.wait(PAUSE):
            try:
                number, trouble = ask()
            except Exception as error:  # noqa: BLE001 - each is a finding
                self.troubles.append(f"{name}: {type(error).__name__}: {error}")
                continue
            self.asked += 1
            if trouble:
                self.troubles.append(f"{name}: {trouble}")
            if number < last:
                self.troubles.append(f"{name}: said {number} after {last}")
            last = self.latest[name] = max(last, number)

    def has_seen(self, steps: int, names: Iterable[str]) -> bool:
        """Say whether all have been told the newest, and enough was asked meanwhile."""
        return self.asked > 10 * steps and min(self.latest.get(name, 0) for name in names) >= steps

    def plainly(self, llm: str, conversation: str | None = None) -> tuple[int, str]:
        body = {"question": QUESTION, "llm": llm, "conversation_id": conversation}
        reply = self.client.post("/ask", json=body)
        assert reply.status_code == 200, reply.text
        return self._checked(reply.json())

    def streamed(self) -> tuple[int, str]:
        reply = self.client.post("/ask", json={"question": QUESTION, "llm": "writer", "stream": True})
        name, data = reply.text.strip().split("\n\n")[-1].split("\n")
        assert name == "event: finished", reply.text
        return self._checked(json.loads(data.removeprefix("data: ")))

    def found(self) -> tuple[int, str]:
        reply = self.client.post("/search", json={"query": QUESTION, "k": 1})
        assert reply.status_code == 200, reply.text
        return said(reply.json()["hits"][0]["text"]), ""

    def _checked(self, answer: dict[str, Any]) -> tuple[int, str]:
        wrong = [one for one in answer["citations"] if one["verdict"] != "found"]
        bad = answer["outcome"] != "answered" or wrong or "unsupported" in answer["flags"] or not answer["citations"]
        return said(answer["text"]), json.dumps(answer) if bad else ""


def test_twenty_publications_under_load_fail_no_question_and_no_old_answer_returns(
    tmp_path: Path, home: Path, llms: LlmServer
) -> None:
    town = Town(tmp_path, llms)
    town.build(0)
    with served(home, town.file) as url, httpx.Client(base_url=url, timeout=120) as client:
        conversation = client.post("/conversations", json={}).json()["id"]
        asking = Asking(client)
        kinds: dict[str, Callable[[], tuple[int, str]]] = {
            "extractive": lambda: asking.plainly("extractive"),
            "writer": lambda: asking.plainly("writer", conversation),
            "stream": asking.streamed,
            "search": asking.found,
        }
        with ThreadPoolExecutor(len(kinds)) as threads:
            for name, ask in kinds.items():
                threads.submit(asking.run, name, ask)
            try:
                for steps in range(1, SWITCHES + 1):
                    town.build(steps)
                    until = time.monotonic() + PATIENCE
                    while not asking.has_seen(steps, kinds) and time.monotonic() < until:
                        time.sleep(0.05)
            finally:
                asking.stop.set()
        assert asking.troubles == []
        assert asking.latest == dict.fromkeys(kinds, SWITCHES)
        assert asking.asked > 10 * SWITCHES
        turns = client.get(f"/conversations/{conversation}").json()["turns"]
        assert {said(turn["answer"]) for turn in turns} >= {SWITCHES}


def begun(stream: str) -> str:
    """Return the conversation that a streamed answer began; its last event names it."""
    conversation: str = json.loads(stream.split("event: finished\ndata: ")[1].split("\n")[0])["conversation_id"]
    return conversation


def test_what_is_erased_comes_out_of_a_running_service_no_more(tmp_path: Path, home: Path, llms: LlmServer) -> None:
    town = Town(tmp_path, llms)
    town.build(7)
    tower = town.texts / "tower.md"
    with served(home, town.file) as url, httpx.Client(base_url=url, timeout=120) as client:
        key = {"Idempotency-Key": "the same"}
        asked = {"question": QUESTION, "llm": "writer"}
        first = client.post("/ask", json=asked, headers=key).json()
        assert said(first["text"]) == 7
        streamed = client.post("/ask", json={**asked, "stream": True}).text
        conversation = begun(streamed)
        document = first["citations"][0]["document_id"]
        assert "1007" in client.get(f"/conversations/{conversation}").text
        assert client.get(f"/documents/{document}").status_code == 200
        gone = threading.Event()
        kept: list[str] = []

        def ask_on() -> None:
            while not gone.wait(PAUSE):
                reply = client.post("/ask", json={**asked, "stream": True}).text
                kept.append(begun(reply))

        with ThreadPoolExecutor(2) as threads:
            asking = [threads.submit(ask_on) for _ in range(2)]
            forget(Target(kind="uri", name=tower.as_uri()))
            until = time.monotonic() + PATIENCE
            while "1007" in client.post("/search", json={"query": QUESTION}).text and time.monotonic() < until:
                time.sleep(0.05)
            gone.set()
            [one.result() for one in asking]
        replies = [
            client.post("/ask", json=asked, headers=key).text,
            client.post("/ask", json={**asked, "stream": True}).text,
            client.post("/ask", json={**asked, "llm": "extractive"}).text,
            client.post("/search", json={"query": QUESTION, "k": 100}).text,
            client.get("/conversations").text,
            *(client.get(f"/conversations/{one}").text for one in (conversation, *kept[-20:])),
        ]
        assert not [reply for reply in replies if "1007 steps" in reply]
        assert client.get(f"/documents/{document}").status_code == 404
        assert client.post("/feedback", json={"answer_id": first["id"], "rating": "up"}).status_code == 404
    assert not [path for path in home.rglob("*.db*") if b"1007 steps" in path.read_bytes()]
