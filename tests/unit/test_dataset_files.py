import json
from dataclasses import replace
from pathlib import Path

import pytest

from llm_engineering.application.datasets import held_questions, refuse_held_out
from llm_engineering.domain.datasets import DatasetCard, RetrievalPair, Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.infrastructure.datasets import DatasetFiles


def pair(number: int, split: str = "train", **changes: object) -> RetrievalPair:
    row = RetrievalPair(
        id=f"row-{number}",
        question=f"What is {number}?",
        document_id=f"document-{number}",
        chunk_id=f"chunk-{number}",
        passage=f"It is the number {number}.",
        documents=(f"document-{number}",),
        negatives=("Something else.",),
        negative_ids=("chunk-x",),
        origin="question",
        source="numbers",
        filter='{"course":"ml"}',
        cluster=f"cluster-{number}",
        split=split,
        negative_documents=("document-x",),
    )
    return replace(row, **changes)  # type: ignore[arg-type]


ROWS = [pair(1), pair(2, "validation"), pair(3, "test"), pair(4)]


def card(name: str = "numbers", **facts: object) -> DatasetCard:
    return DatasetCard.model_validate({"name": name, "version": "", "digest": "", **facts})


def test_rows_come_back_by_split_in_their_order(tmp_path: Path) -> None:
    store = DatasetFiles(tmp_path)
    written = store.write(card(), ROWS)
    assert store.find("numbers") == store.find(written.reference) == written
    assert (written.rows, written.origins) == ({"test": 1, "train": 2, "validation": 1}, {"question": 4})
    assert (written.documents, written.clusters, written.version) == (4, 4, written.digest[:12])
    assert store.rows(written, [Split.TRAIN]) == [ROWS[0], ROWS[3]]
    assert store.rows(written, list(Split)) == ROWS


def test_rows_of_language_models_are_kept_as_what_the_card_says(tmp_path: Path) -> None:
    store, splits = DatasetFiles(tmp_path), list(Split)
    shared = ("document-1", "chunk-1", "It is the number 1.", "faq", "", "numbers", "cluster-1", "train")
    instruction = Instruction("i-1", "What is 1?", "A number.", *shared)
    preference = Preference("p-1", "What is 1?", "A number.", "A letter.", *shared)
    instructions = store.write(card("told", kind="instruction"), [instruction])
    preferences = store.write(card("preferred", kind="preference"), [preference])
    assert store.rows_of(Instruction, instructions, splits) == [instruction]
    assert store.rows_of(Preference, preferences, splits) == [preference]
    with pytest.raises(UsageError, match="kind 'preference', and one of kind 'retrieval' is needed"):
        store.rows(preferences, splits)
    with pytest.raises(UsageError, match="kind 'pictures'; known are"):
        store.write(card(kind="pictures"), [])


def test_the_same_rows_are_the_same_version_byte_for_byte(tmp_path: Path) -> None:
    first, second = DatasetFiles(tmp_path / "a"), DatasetFiles(tmp_path / "b")
    one, other = first.write(card(), ROWS), second.write(card(), iter(ROWS))
    assert one == other
    for name in ("rows.parquet", "card.json"):
        assert (first.place(one) / name).read_bytes() == (second.place(other) / name).read_bytes()
    before = (first.place(one) / "card.json").read_bytes()
    assert first.write(card(run=7, created_at="2030"), ROWS) == one
    assert (first.place(one) / "card.json").read_bytes() == before
    assert first.write(card(licence="CC0"), ROWS).licence == "CC0"
    assert len(first.all()) == 1


def test_the_newest_version_is_the_one_made_last(tmp_path: Path) -> None:
    store = DatasetFiles(tmp_path)
    one = store.write(card(created_at="2026-01-01"), ROWS)
    two = store.write(card(created_at="2026-01-02"), ROWS[:2])
    assert store.find("numbers") == two
    assert store.write(card(created_at="2026-01-03"), ROWS) == one == store.find("numbers")
    store.remove(one)
    assert store.find("numbers") == two
    store.remove(two)
    assert store.all() == []


def test_rows_that_were_changed_are_refused(tmp_path: Path) -> None:
    store = DatasetFiles(tmp_path)
    one = store.write(card(), ROWS)
    other = store.write(card("other"), [replace(row, split="train") for row in ROWS])
    (store.place(other) / "rows.parquet").replace(store.place(one) / "rows.parquet")
    with pytest.raises(UsageError, match="they were changed"):
        store.rows(one, [Split.TRAIN])
    (store.place(one) / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="cannot be read"):
        store.rows(one, [Split.TRAIN])
    assert store.rows(store.write(card(), ROWS), [Split.TEST]) == [ROWS[2]]  # writing it again mends it


def test_a_card_that_was_changed_is_refused(tmp_path: Path) -> None:
    store = DatasetFiles(tmp_path)
    one = store.write(card(users=("us",), gates=[{"name": "verbatim", "rows": 4, "failed": 0, "value": 0.5}]), ROWS)
    path = store.place(one) / "card.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(said.items()))))
    assert store.find("numbers") == one  # the same words in another order
    changes = (
        {"licence": "CC0"},
        {"users": []},
        {"rows": {"train": 3}},
        {"gates": []},
        {"seal": "0" * 64},
        {"seal": 1},
    )
    for change in changes:
        path.write_text(json.dumps(said | change))
        with pytest.raises(UsageError, match="it was changed by hand"):
            store.find("numbers")
    del said["seal"]
    path.write_text(json.dumps(said))
    assert store.find("numbers") == one  # as releases before the seal wrote it
    path.write_text(json.dumps(said | {"digest": "0" * 64}))
    with pytest.raises(UsageError, match="it was changed"):
        store.find("numbers")
    path.write_text("[]")
    with pytest.raises(UsageError, match="no card of a data set"):
        store.all()


@pytest.mark.parametrize("reference", ["nobody", "numbers@000000000000", "numbers@../..", "../numbers", "", "a@b@c"])
def test_what_is_not_there_is_answered_with_what_is(tmp_path: Path, reference: str) -> None:
    store = DatasetFiles(tmp_path)
    written = store.write(card(), ROWS)
    with pytest.raises(UsageError, match=written.reference):
        store.find(reference)


def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no name of a data set"):
        DatasetFiles(tmp_path).write(card("../outside"), ROWS)
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def breaking() -> object:
        yield ROWS[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        DatasetFiles(tmp_path).write(card(), breaking())  # type: ignore[arg-type]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_held_out_rows_are_refused_by_name() -> None:
    assert refuse_held_out(iter(ROWS[:2])) == ROWS[:2]
    with pytest.raises(UsageError, match="row-3 of the data set is in split 'test'"):
        refuse_held_out(ROWS)
    with pytest.raises(UsageError, match="split ''"):
        refuse_held_out([pair(1, "")])


def test_the_rows_of_one_question_are_one_question_to_evaluate() -> None:
    rows = [ROWS[2], replace(ROWS[2], document_id="d4", documents=("document-3", "d4")), pair(3, "test", filter="{}")]
    first, second = held_questions(rows)
    assert (first.text, first.documents, first.filter) == ("What is 3?", ("document-3", "d4"), {"course": "ml"})
    assert (second.filter, second.source) == ({}, "numbers")
    assert first.id != second.id
