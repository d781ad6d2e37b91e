"""Data sets for language models, from an index to a version in the store."""

import json
from pathlib import Path

import pytest
from command_lines import ROOT
from dataset_world import TOPICS, document_of, fill

from llm_engineering import plain
from llm_engineering.application.instructions.leakage import Vectors, leaks
from llm_engineering.application.instructions.settings import Apart
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.config import FeatureConfig, InstructDatasetConfig, PreferenceDatasetConfig, read_config
from llm_engineering.domain.datasets import DatasetCard, Split
from llm_engineering.domain.erasure import Target
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.domain.reports import Report
from llm_engineering.erasure import forget
from tools.dry_run import describe

# Sections of one length, so that the length tells nothing.
MORE = {
    topic: f"{text}\n\n## {topic} and {text.split()[1]}\n\n{' '.join(reversed(text.split()))}"
    for topic, text in TOPICS.items()
}


def instruct(*overrides: str) -> InstructDatasetConfig:
    return read_config(InstructDatasetConfig, None, ["embedding.kind=hashing", *overrides])


def prefer(*overrides: str) -> PreferenceDatasetConfig:
    return read_config(PreferenceDatasetConfig, None, ["embedding.kind=hashing", *overrides])


def instructions(report: Report) -> tuple[DatasetCard, list[Instruction]]:
    assert report.dataset is not None
    store = open_datasets(Workspace())
    card = store.find(report.dataset.reference)
    return card, list(store.rows_of(Instruction, card, list(Split)))


def preferences(report: Report) -> tuple[DatasetCard, list[Preference]]:
    assert report.dataset is not None
    store = open_datasets(Workspace())
    card = store.find(report.dataset.reference)
    return card, list(store.rows_of(Preference, card, list(Split)))


def test_headings_and_what_stands_below_them_are_instructions_without_a_model(tmp_path: Path) -> None:
    fill(tmp_path / "docs")
    config = instruct("instructions.licence=CC-BY-4.0", "instructions.users=[team]")
    report = plain.instruct_dataset(config)
    card, rows = instructions(report)
    assert (card.kind, card.licence, card.users, card.sources) == ("instruction", "CC-BY-4.0", ("team",), ("docs",))
    assert card.origins == {"heading": 12}
    assert set(card.rows) == {"train", "validation", "test"}
    assert {row.answer for row in rows} == set(TOPICS.values())
    assert "How does the anchor work" in {row.instruction for row in rows}
    assert leaks(rows, Apart(), Vectors()) == []
    assert [gate.name for gate in card.gates] == ["groundedness", "verbatim", "leakage"]
    assert all(gate.passed for gate in card.gates)
    assert "gate leakage 0.000" in report.summary()
    again, _ = instructions(plain.instruct_dataset(config))
    assert again.reference == card.reference
    with Workspace().warehouse() as warehouse:
        (made,) = [one for one in warehouse.derivatives() if one.kind == "dataset"]
        assert set(warehouse.derived_from(made.id)) == {row.document_id for row in rows}


def test_pairs_of_similar_questions_need_no_model(tmp_path: Path) -> None:
    fill(tmp_path / "docs", MORE)
    card, rows = preferences(plain.preference_dataset(prefer()))
    assert (card.kind, set(card.origins)) == ("preference", {"heading_other"})
    texts = {f"{topic}.md": document_of(topic, text) for topic, text in MORE.items()}
    own = {row.document_id: next(text for text in texts.values() if row.chosen in text) for row in rows}
    splits = {row.document_id: row.split for row in rows}
    for row in rows:
        assert own[row.document_id][row.start : row.end] == row.chosen
        assert row.chosen != row.rejected
        assert row.rejected in (own.get(row.rejected_document) or "".join(texts.values()))
        assert splits.get(row.rejected_document, row.split) == row.split
        assert row.writer == ""
    bias = next(gate for gate in card.gates if gate.name == "length_bias")
    assert (bias.rows, bias.passed) == (len(rows), True)
    assert leaks(rows, Apart(), Vectors()) == []


def test_planted_paraphrases_and_copies_are_never_in_two_splits(tmp_path: Path) -> None:
    texts = dict(TOPICS)
    for topic, text in TOPICS.items():  # a copy of each document, in which one word is another one
        texts[f"{topic}2"] = text.replace(" and ", " plus ").replace(" the ", " this ") + " Indeed."
    fill(tmp_path / "docs", texts)
    _, rows = instructions(plain.instruct_dataset(instruct("instructions.shares={validation: 0.2, test: 0.4}")))
    assert {row.split for row in rows} == {"train", "validation", "test"}
    assert leaks(rows, Apart(), Vectors()) == []
    words = {topic: TOPICS[topic].split()[0] for topic in TOPICS}
    of = {topic: {row.split for row in rows if row.answer.startswith(word)} for topic, word in words.items()}
    assert all(len(splits) == 1 for splits in of.values())
    _, pairs = preferences(plain.preference_dataset(prefer("preferences.shares={validation: 0.2, test: 0.4}")))
    assert leaks(pairs, Apart(), Vectors()) == []


def test_a_question_that_a_document_repeats_is_there_once(tmp_path: Path) -> None:
    fill(
        tmp_path / "docs",
        {**TOPICS, "anchor": f"{TOPICS['anchor']}\n\n# How does the anchor work\n\n{TOPICS['anchor']}"},
    )
    card, _ = instructions(plain.instruct_dataset(instruct()))
    assert card.origins == {"heading": 12}
    assert card.dropped == {"same_draft": 1}


def test_a_general_set_is_mixed_in_to_learn_from_alone(tmp_path: Path) -> None:
    fill(tmp_path / "docs")
    file = tmp_path / "general.jsonl"
    lines = [{"prompt": f"Say number {n}", "answer": f"It is {n}.", "rejected": "No."} for n in range(100)]
    file.write_text("\n".join(map(json.dumps, lines)))
    general = f"{{file: {file}, share: 0.5, instruction: prompt}}"
    card, rows = instructions(plain.instruct_dataset(instruct(f"instructions.general={general}")))
    mixed = [row for row in rows if row.origin == "general"]
    own = [row for row in rows if row.origin != "general" and row.split == "train"]
    assert len(mixed) == len(own) > 0
    assert {(row.split, row.document_id, row.source) for row in mixed} == {("train", "", "general.jsonl")}
    assert str(file) in card.settings["inputs"]  # type: ignore[operator]
    _, pairs = preferences(plain.preference_dataset(prefer(f"preferences.general={general}")))
    assert {row.rejected for row in pairs if row.origin == "general"} == {"No."}
    with pytest.raises(UsageError, match="row 1: 'instruction' is no text; the columns are prompt"):
        plain.instruct_dataset(instruct(f"instructions.general={{file: {file}}}"))


def test_documents_of_several_tenants_are_together_only_if_somebody_says_so(tmp_path: Path) -> None:
    half = sorted(TOPICS)[:6]
    for tenant, names in (("ada", half), ("bob", sorted(set(TOPICS) - set(half)))):
        (tmp_path / tenant).mkdir()
        for name in names:
            (tmp_path / tenant / f"{name}.md").write_text(document_of(name, TOPICS[name]))
    sources = ", ".join(f"{{kind: files, name: {n}, root: {tmp_path / n}, tenant: {n}}}" for n in ("ada", "bob"))
    plain.feature(read_config(FeatureConfig, None, [f"ingest.sources=[{sources}]", "embedding.kind=hashing"]))
    with pytest.raises(UsageError, match="documents of 2 tenants"):
        plain.instruct_dataset(instruct())
    card, rows = instructions(plain.instruct_dataset(instruct("instructions.tenants=[ada]")))
    assert (card.users, {row.source for row in rows}) == (("ada",), {"ada"})
    both = "preferences.tenants=[ada, bob]"
    _, pairs = preferences(plain.preference_dataset(prefer(both, "preferences.gates.length_bias=1")))
    source_of = {row.document_id: row.source for row in pairs}
    assert all(source_of.get(row.rejected_document, row.source) == row.source for row in pairs)


def test_what_is_forgotten_leaves_no_row_and_no_worse_answer(tmp_path: Path) -> None:
    fill(tmp_path / "docs")
    plain.instruct_dataset(instruct())
    _, before = preferences(plain.preference_dataset(prefer("preferences.gates.length_bias=1")))
    gone = next(row.rejected_document for row in before)
    with Workspace().warehouse() as warehouse:
        (document,) = warehouse.documents([gone])
    forget(Target(kind="uri", name=document.uri))
    store = open_datasets(Workspace())
    pairs = store.rows_of(Preference, store.find("preferences"), list(Split))
    assert 0 < len(pairs) < len(before) - 1
    assert gone not in {name for row in pairs for name in (row.document_id, row.rejected_document)}
    rows = store.rows_of(Instruction, store.find("instructions"), list(Split))
    assert len(rows) == 11
    secret = document.text.splitlines()[-1]
    home = Workspace().home / "datasets"
    assert not [path for path in home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_what_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        plain.instruct_dataset(instruct())
    fill(tmp_path / "docs", {"plain": "x"})
    (tmp_path / "docs" / "plain.md").write_text("Only words without any heading stand in this file of text.")
    plain.feature(read_config(FeatureConfig, None, [
        f"ingest.sources=[{{kind: files, name: docs, root: {tmp_path / 'docs'}}}]", "embedding.kind=hashing",
    ]))  # fmt: skip
    with pytest.raises(UsageError, match="no document has a question or a heading"):
        plain.instruct_dataset(instruct())
    with pytest.raises(UsageError, match="the models under `llms` are none"):
        plain.instruct_dataset(instruct("instructions.pairs=[{kind: llm}]"))


def test_a_dry_run_names_the_steps(tmp_path: Path) -> None:
    fill(tmp_path / "docs")
    text = describe("preference_dataset", prefer().resolved(), as_json=False)
    assert "collect_preferences  structure; passages of collection default" in text
    assert "10% held out" in text
    assert list(open_datasets(Workspace()).all()) == []


@pytest.mark.slow
def test_the_faq_makes_both_data_sets_without_a_model(faq: Path) -> None:
    overrides = [f"ingest.sources.0.url={faq / 'documents.json'}", "embedding={kind: hashing}"]
    plain.feature(read_config(FeatureConfig, ROOT / "configs" / "faq.yaml", overrides))
    card, rows = instructions(plain.instruct_dataset(instruct("load.collection=faq")))
    assert card.origins.keys() == {"faq"}
    assert len(rows) > 800
    assert leaks(rows, Apart(), Vectors()) == []
    entries = {one["question"]: one["text"] for course in json.loads((faq / "documents.json").read_text())
               for one in course["documents"]}  # fmt: skip
    same = sum(row.answer.split() == entries.get(row.instruction, "").split() for row in rows)
    assert same / len(rows) > 0.9  # cleaning changes some, and a question may be asked in two courses
    card, pairs = preferences(plain.preference_dataset(prefer("load.collection=faq")))
    assert card.origins.keys() == {"faq_other"}
    assert len(pairs) > 700
    assert leaks(pairs, Apart(), Vectors()) == []
    assert next(gate for gate in card.gates if gate.name == "length_bias").value < 0.6
