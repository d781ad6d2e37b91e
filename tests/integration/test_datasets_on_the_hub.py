"""Data sets go to the hub into private repositories. The hub is a stand-in."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_lines import Finished, python
from hub_stand_in import TOKEN, Hub, Repository

from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.domain.datasets import DatasetCard
from llm_engineering.domain.instructions import GateFigure, Instruction
from llm_engineering.infrastructure.datasets.hub import description

pytestmark = pytest.mark.slow


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


def made(name: str, *users: str) -> DatasetCard:
    rows = [
        Instruction(str(n), f"Why {n}?", f"Because of {n}.", "d", "c", "p", "faq", "", "docs", str(n), split)
        for n, split in enumerate(("train", "train", "test"))
    ]
    gate = GateFigure(name="groundedness", rows=3, failed=0, value=0, bound=0.3, note="0 of 3 failed")
    card = DatasetCard(
        name=name, version="", digest="", kind="instruction", sources=("docs",), licence="CC-BY-4.0", users=users,
        settings={"general": {"file": "/home/ada/secret-place.csv"}}, gates=(gate,),
    )  # fmt: skip
    return open_datasets(Workspace()).write(card, rows)


def run(home: Path, hub: str, *arguments: str, token: str = TOKEN) -> Finished:
    environment = {"HF_ENDPOINT": hub, "HF_HOME": str(home / "hf"), "HF_TOKEN": token, "HF_HUB_DISABLE_TELEMETRY": "1"}
    return python(home, ["-m", "tools.datasets", *arguments], **environment)


def test_a_data_set_is_pushed_privately_unless_told_otherwise(home: Path, hub: Hub) -> None:
    card = made("mine")
    hub.repositories["me/open"] = Repository(private=False)
    hub.repositories["me/open"].commit({"README.md": b"hello"})
    done = run(home, hub.url, "push", "mine", "me/data", "--json")
    assert done.code == 0, done.err
    repository = hub.repositories["me/data"]
    assert (repository.private, repository.type) == (True, "dataset")
    assert done.last_line == {
        "dataset": card.reference,
        "url": f"{hub.url}/me/data/commit/{repository.newest}",
    }
    assert set(repository.files) == {"README.md", "data/train.parquet", "data/test.parquet"}
    train = pq.read_table(io.BytesIO(repository.files["data/train.parquet"])).to_pylist()
    assert [row["answer"] for row in train] == ["Because of 0.", "Because of 1."]
    assert b"secret-place" not in repository.files["README.md"]
    refused = run(home, hub.url, "push", "mine", "me/open")
    assert refused.code == 2
    assert "me/open is public; make it private, choose another one, or say --public" in refused.err
    assert run(home, hub.url, "push", "mine", "me/open", "--public").code == 0


def test_what_is_not_for_everybody_is_not_made_public(home: Path, hub: Hub) -> None:
    made("ours", "team")
    refused = run(home, hub.url, "push", "ours", "me/ours", "--public")
    assert refused.code == 2
    assert "is for team" in refused.err
    assert hub.repositories == {}
    assert run(home, hub.url, "push", "ours", "me/ours").code == 0
    assert hub.repositories["me/ours"].private


def test_without_a_token_it_says_what_to_do(home: Path, hub: Hub) -> None:
    made("mine")
    refused = run(home, hub.url, "push", "mine", "me/data", token="hf_wrong")
    assert refused.code == 2
    assert "set HF_TOKEN" in refused.err


def test_data_sets_are_listed_and_shown(home: Path) -> None:
    assert "there are no data sets" in run(home, "http://127.0.0.1:9", "list").out
    card = made("mine")
    listed = run(home, "http://127.0.0.1:9", "list").out
    assert card.reference in listed
    assert "2 train" in listed
    assert [one["name"] for one in json.loads(run(home, "http://127.0.0.1:9", "list", "--json").out)] == ["mine"]
    shown = run(home, "http://127.0.0.1:9", "show", "mine", "--rows", "1").out
    assert "gate groundedness 0.000 (bound 0.3)" in shown
    assert "Because of 0." in shown
    assert run(home, "http://127.0.0.1:9", "show", "none").code == 2


def test_the_card_says_what_is_known_of_it() -> None:
    text = description(made("mine"))
    assert text.startswith("---\nlicense: other\nlicense_name: CC-BY-4.0\nconfigs:\n")
    for part in (
        "path: data/train.parquet",
        "- Rows: 1 test, 2 train",
        "| groundedness | 0.000 | 0.3 |",
        "- Sources: docs",
    ):
        assert part in text
