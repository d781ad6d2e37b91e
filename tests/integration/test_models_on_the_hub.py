"""Models come from the hub at a pinned revision, and go there into private repositories. The hub is a stand-in."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_lines import python
from hub_stand_in import TOKEN, Hub, Repository
from safetensors.numpy import save

# In a process of its own: the library reads the address of the hub when it is imported.
ACT = """
import json, sys
from llm_engineering import promotions
from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.domain.errors import LLMEngineeringError
said = []
for verb, given, named in json.loads(sys.argv[1]):
    try:
        said.append(str(getattr(promotions, verb)(*given, **named)))
    except LLMEngineeringError as error:
        said.append(f"{type(error).__name__}: {error}")
registry = open_registry(Workspace())
kept = {model.reference: [model.base, sorted(file.path for file in model.files)]
        for name in registry.names() for model in registry.versions(name)}
print(json.dumps({"said": said, "kept": kept}))
"""
# Of kind llm, which needs no tokenizer here: the test is about the way and not about the model.
FILES = {
    "model.safetensors": save({"a": np.ones((2, 2), "float32")}),
    "config.json": b"{}",
    "modeling.py": b"evil()",
    "pytorch_model.bin": b"pickle",
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


def act(home: Path, url: str, token: str, *calls: tuple[str, list[str], dict[str, object]]) -> dict[str, object]:
    environment = {"HF_ENDPOINT": url, "HF_HOME": str(home / "hf"), "HF_TOKEN": token, "HF_HUB_DISABLE_TELEMETRY": "1"}
    ran = python(home, ["-c", ACT, json.dumps(calls)], **environment)
    assert ran.code == 0, ran.err
    found: dict[str, object] = ran.last_line
    return found


@pytest.mark.slow
def test_a_model_is_fetched_at_its_commit_and_pushed_privately_unless_told_otherwise(home: Path, hub: Hub) -> None:
    hub.repositories["owner/model"] = Repository(private=False)
    commit = hub.repositories["owner/model"].commit(FILES)
    hub.repositories["owner/model"].commit({"config.json": b'{"later": 1}'})
    hub.repositories["me/open"] = Repository(private=False)
    hub.repositories["me/open"].commit({"README.md": b"hello"})
    seen = act(
        home, hub.url, TOKEN,
        ("import_model", ["owner/model", "fetched", "llm"], {"revision": commit}),
        ("import_model", ["owner/model", "fetched", "llm"], {"revision": "f" * 40}),
        ("import_model", ["owner/nothing", "fetched", "llm"], {"revision": commit}),
        ("push_model", ["fetched@1", "me/mine"], {}),
        ("push_model", ["fetched@1", "me/open"], {}),
        ("push_model", ["fetched@1", "me/open"], {"public": True}),
    )  # fmt: skip
    said = seen["said"]
    assert isinstance(said, list)
    assert seen["kept"] == {"fetched@1": [f"owner/model@{commit}", ["config.json", "model.safetensors"]]}
    assert said[1].startswith("UsageError: owner/model has no such revision")
    assert said[2].startswith("UsageError: owner/nothing is not on the hub, or not for everybody: set HF_TOKEN")
    mine, public = hub.repositories["me/mine"], hub.repositories["me/open"]
    assert said[3] == f"{hub.url}/me/mine/commit/{mine.newest}"
    assert mine.private
    assert mine.files.keys() == {"README.md", "config.json", "model.safetensors"}
    assert mine.files["model.safetensors"] == FILES["model.safetensors"]
    assert b"fetched@1" in mine.files["README.md"]
    assert said[4].startswith("UsageError: me/open is public; make it private, choose another one, or say --public")
    assert said[5].startswith(hub.url)
    assert "model.safetensors" in public.files


@pytest.mark.slow
def test_without_a_token_or_a_hub_it_says_what_to_do(home: Path, hub: Hub) -> None:
    hub.repositories["me/mine"] = Repository(private=True)
    commit = hub.repositories["me/mine"].commit(FILES)
    fetch = ("import_model", ["me/mine", "fetched", "llm"], {"revision": commit})
    (hidden,) = act(home, hub.url, "", fetch)["said"]  # type: ignore[misc]
    assert hidden.startswith("UsageError: me/mine is not on the hub, or not for everybody: set HF_TOKEN")
    act(home, hub.url, TOKEN, fetch)
    # Not a download, which the library tries for half a minute.
    (alone,) = act(home, "http://127.0.0.1:9", TOKEN, ("push_model", ["fetched@1", "me/mine"], {}))["said"]  # type: ignore[misc]
    assert alone.startswith("BackendError: the hub cannot be reached for me/mine")
    assert "HF_ENDPOINT" in alone
