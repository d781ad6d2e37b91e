"""Erasure reaches what the assistant keeps: no byte of a forgotten document stays in its conversations and caches."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from byte_scan import places_of
from postgresql_server import new_database, postgresql_server
from redis_server import redis_server

from llm_engineering import plain
from llm_engineering.bootstrap import Workspace, open_state
from llm_engineering.config import AssistantConfig, FeatureConfig, read_config
from llm_engineering.domain import failpoints
from llm_engineering.domain.answers import Answer, Citation, Receipt, Turn
from llm_engineering.domain.erasure import ErasureReport, Target
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.ports.answers import AssistantState
from llm_engineering.erasure import forget
from llm_engineering.infrastructure.state import RedisState, SqlState, StateSpec

pytestmark = pytest.mark.slow

CANARIES = ("Zwitschern", "Piepmatz")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "whales.md").write_text("# Whales\n\nWhales are mammals of the sea.\n")
    (folder / "Piepmatz.md").write_text("# Zwitschern\n\nThe secret word is Zwitschern.\n")
    sources = f"ingest.sources=[{{kind: files, name: docs, root: {folder}}}]"
    plain.feature(read_config(FeatureConfig, None, [sources, "embedding.kind=hashing"]))
    return folder


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def document_ids(folder: Path) -> dict[str, str]:
    with Workspace().warehouse() as warehouse:
        return {Path(found.uri).stem: found.id for found in warehouse.document_records("source", ["docs"])}


def opened(spec: StateSpec | None = None) -> AssistantState:
    config = AssistantConfig(state=spec) if spec else AssistantConfig()
    return open_state(config, Workspace())


def answered(state: AssistantState, name: str, document_id: str, quote: str, conversation_id: str) -> None:
    """Keep an answer in all the ways in which a service does."""
    citation = Citation(
        number=1,
        quote=quote,
        verdict="found",
        document_id=document_id,
        chunk_id=f"{document_id}-0",
        uri=f"file:///{name}.md",
        title=name,
        source="docs",
        start=0,
        end=len(quote),
    )
    answer = Answer(id=name, question="What?", text=f"{quote} [1]", outcome="answered", citations=(citation,))
    state.cache(f"question about {name}", answer.model_dump_json() * 50, 3_600, [document_id])
    state.keep_receipt("ada", Receipt(answer=answer))
    turn = Turn(question="What?", answer_id=name, answer=answer.text * 50, at="2026-01-01T00:00:00+00:00")
    state.add_turn("ada", conversation_id, turn)


def filled(state: AssistantState, folder: Path) -> str:
    ids = document_ids(folder)
    conversation = state.create_conversation("ada", "Animals").id
    answered(state, "whales", ids["whales"], "Whales are mammals of the sea.", conversation)
    answered(state, "Piepmatz", ids["Piepmatz"], "The secret word is Zwitschern.", conversation)
    return conversation


def forget_it(folder: Path, *, dry_run: bool = False) -> ErasureReport:
    return forget(Target(kind="uri", name=(folder / "Piepmatz.md").as_uri()), dry_run=dry_run)


def count_of(report: ErasureReport) -> int:
    return next(found.count for found in report.found if found.place == "assistant")


def assert_only_the_other_is_left(state: AssistantState, conversation_id: str) -> None:
    found = state.conversation("ada", conversation_id)
    assert found is not None
    assert [turn.answer_id for turn in found.turns] == ["whales"]
    assert state.receipt("ada", "whales") is not None
    assert state.receipt("ada", "Piepmatz") is None
    assert state.cached("question about whales")
    assert state.cached("question about Piepmatz") is None


def test_no_byte_of_it_stays_while_a_service_has_the_state_open(folder: Path, home: Path) -> None:
    with closing(opened()) as state:
        conversation = filled(state, folder)
        assert [place for place in places_of(home, CANARIES) if "assistant.db" in place]
        dry = forget_it(folder, dry_run=True)
        assert count_of(dry) == 3
        assert dry.notes == ()
        assert count_of(forget_it(folder)) == 3
        assert places_of(home, CANARIES) == []
        assert_only_the_other_is_left(state, conversation)
        # An answer that was on its way.
        answered(state, "Piepmatz", dry_id(folder), "The secret word is Zwitschern.", conversation)
        assert_only_the_other_is_left(state, conversation)
    assert places_of(home, CANARIES) == []


def dry_id(folder: Path) -> str:
    """Return the id that the forgotten document had: that of its address and its source."""
    from llm_engineering.domain.documents import Document

    return Document((folder / "Piepmatz.md").as_uri(), "docs", "markdown", "").id


def test_what_a_user_deleted_is_in_no_file_either(folder: Path, home: Path) -> None:
    with closing(opened()) as state:
        conversation = filled(state, folder)
        assert state.delete_conversation("ada", conversation)
    forget_it(folder)
    assert places_of(home, CANARIES) == []


def test_an_erasure_that_fails_anywhere_is_completed_by_the_next_one(folder: Path, home: Path) -> None:
    with closing(opened()) as state:
        conversation = filled(state, folder)
    failures = 0
    for number in range(1, 100):
        failpoints.arm(f"warehouse.{'before' if number % 2 else 'after'}_commit:{number}=raise")
        try:
            forget_it(folder)
        except BackendError:
            failures += 1
        else:
            break
    assert failures > 5
    assert places_of(home, CANARIES) == []
    with closing(opened()) as state:
        assert_only_the_other_is_left(state, conversation)


def test_a_home_without_an_assistant_stays_without_one(folder: Path, home: Path) -> None:
    assert count_of(forget_it(folder)) == 0
    assert not [path for path in home.iterdir() if path.name.startswith(("assistant", "states"))]


def test_a_state_in_a_file_elsewhere_is_found(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    spec = SqlState(url=f"sqlite:///{elsewhere / 'chats.db'}")
    with closing(opened(spec)) as state:
        conversation = filled(state, folder)
        assert places_of(elsewhere, CANARIES)
    with closing(opened(spec)):
        assert count_of(forget_it(folder)) == 3
    assert places_of(elsewhere, CANARIES) == []
    with closing(opened(spec)) as state:
        assert_only_the_other_is_left(state, conversation)
    (elsewhere / "chats.db").unlink()  # gone for good: the next erasure does not mind, and does not make it again
    forget(Target(kind="uri", name=(folder / "whales.md").as_uri()))
    assert not (elsewhere / "chats.db").exists()


def test_a_state_on_postgresql_is_found(folder: Path) -> None:
    with postgresql_server() as server:
        spec = SqlState(url=new_database(server))
        with closing(opened(spec)) as state:
            conversation = filled(state, folder)
            assert count_of(forget_it(folder)) == 3
            assert_only_the_other_is_left(state, conversation)


def test_a_state_on_redis_is_found_and_its_files_are_written_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with redis_server("--appendonly", "yes", "--save", "3600 1") as server:
        monkeypatch.setenv("CHAT_REDIS", server.url)
        spec = RedisState(url="${env:CHAT_REDIS}", prefix="chat:")
        with closing(opened(spec)) as state:
            conversation = filled(state, folder)
            deadline = time.monotonic() + 30  # a busy disk may hold Redis up for seconds
            while not places_of(server.folder, CANARIES) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert places_of(server.folder, CANARIES)
            assert count_of(forget_it(folder)) == 3
            assert places_of(server.folder, CANARIES) == []
            assert places_of(home, [*CANARIES, server.url]) == []
            assert_only_the_other_is_left(state, conversation)


def test_a_state_that_is_away_stops_the_erasure_before_anything_is_done(folder: Path, home: Path) -> None:
    with redis_server() as server:
        opened(RedisState(url=server.url)).close()
    with pytest.raises(BackendError, match="Redis server"):
        forget_it(folder)
    assert places_of(home, CANARIES)
