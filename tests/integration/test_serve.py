"""The service as a user starts it, over a real index."""

from pathlib import Path

import httpx
import pytest
from command_lines import config_file, tool
from serve_command import served

from llm_engineering import plain
from llm_engineering.config import FeatureConfig, read_config

BIRDS = (
    "# Birds\n\nThe wren is the smallest bird of the garden. It weighs nine grams.\n\nThe swift sleeps in the air.\n"
)
FISH = "# Fish\n\nThe cod is a fish of cold seas. It is eaten in the north.\n"


@pytest.fixture
def configuration(tmp_path: Path, home: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "birds.md").write_text(BIRDS)
    (folder / "fish.md").write_text(FISH)
    return config_file(tmp_path, f"{{kind: files, name: texts, root: {folder}}}")


def fill(configuration: Path) -> None:
    config = read_config(FeatureConfig, configuration)
    plain.feature(config)


def test_it_starts_without_an_index_and_answers_once_there_is_one(home: Path, configuration: Path) -> None:
    with served(home, configuration) as url, httpx.Client(base_url=url, timeout=60) as client:
        assert client.get("/ready").json()["missing"] == ["index"]
        assert client.post("/search", json={"query": "wren"}).status_code == 503
        fill(configuration)
        for _ in range(40):
            if client.get("/ready").status_code == 200:
                break
        answer = client.post("/ask", json={"question": "What is the smallest bird of the garden?"}).json()
        assert answer["outcome"] == "answered", answer
        assert "wren" in answer["text"]
        citation = answer["citations"][0]
        assert citation["verdict"] == "found"
        span = {"start": citation["start"], "end": citation["end"]}
        document = client.get(f"/documents/{citation['document_id']}", params=span).json()
        assert document["span"] in BIRDS
        assert document["format"] == "markdown"
        assert "wren" in document["span"]
        assert client.post("/feedback", json={"answer_id": answer["id"], "rating": "up"}).status_code == 204
        assert client.get("/facets").json()["source"]["texts"] >= 2
        streamed = client.post("/ask", json={"question": "Where does the cod live?", "stream": True}).text
        assert "event: finished" in streamed
        assert client.get("/conversations").json()[0]["title"] == "Where does the cod live?"
        assert client.get("/v1/models").json()["data"][0]["id"] == "extractive"


def test_other_machines_are_refused_without_keys_and_a_taken_port_is_named(home: Path, configuration: Path) -> None:
    refused = tool(home, "serve", "--config", str(configuration), "--host", "0.0.0.0", "--port", "0")
    assert refused.code == 2
    assert "there are no keys" in refused.err
    with served(home, configuration) as url:
        port = url.rpartition(":")[2]
        taken = tool(home, "serve", "--config", str(configuration), "--port", port)
        assert taken.code == 2
        assert f"port {port}" in taken.err
