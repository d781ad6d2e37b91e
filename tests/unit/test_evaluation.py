"""Questions with known answers: reading them, finding their documents, counting hits, the gate of a run."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering import plain, stages
from llm_engineering.application.evaluation import (
    hit_rate,
    judge,
    mean_reciprocal_rank,
    rank_of_first,
    relevant_documents,
)
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.documents import Place
from llm_engineering.domain.errors import GateFailed, UsageError
from llm_engineering.domain.evaluation import EvaluationReport, Figures, Question
from llm_engineering.domain.reports import Report
from llm_engineering.infrastructure.embedders import Hashing
from llm_engineering.infrastructure.questions import read_questions

ANIMALS = ("whale", "owl", "badger", "heron", "salmon", "beetle", "otter", "raven")
TEXTS = {f"guide/{name}.md": f"The {name} sleeps in place number {n}.\n" for n, name in enumerate(ANIMALS)}

# Metrics


def test_passages_of_one_document_count_once() -> None:
    assert rank_of_first(["a", "a", "a", "b"], {"b"}, 2) == 2
    assert rank_of_first(["a", "a", "c", "b"], {"b"}, 2) == 0
    assert rank_of_first([], {"b"}, 5) == 0


@given(st.lists(st.integers(0, 20), min_size=1))
def test_the_reciprocal_rank_is_never_above_the_hit_rate(ranks: list[int]) -> None:
    assert 0 <= mean_reciprocal_rank(ranks) <= hit_rate(ranks) + 1e-12 <= 1 + 1e-12


@given(st.lists(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")), st.integers(1, 6))
def test_looking_at_more_documents_never_loses_an_answer(found: list[str], relevant: set[str], k: int) -> None:
    near, far = rank_of_first(found, relevant, k), rank_of_first(found, relevant, k + 1)
    assert far == near or (near == 0 and far == k + 1)


# Reading questions


def lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    table = tmp_path / "q.csv"
    table.write_text('\ufeffquestion,course,document\n"Where, exactly?",ml,a.md\n Who? ,,"b\nc"\n', encoding="utf-8")
    jsonl = lines(
        tmp_path / "q.jsonl",
        {"question": "Where, exactly?", "course": "ml", "document": ["a.md"]},
        {"question": "Who?", "course": "", "document": "b\nc"},
    )
    expected = [Question("Where, exactly?", ("a.md",), {"course": "ml"}), Question("Who?", ("b\nc",), {})]
    assert read_questions(table, "question", "document", ["course"]) == expected
    assert read_questions(jsonl, "question", "document", ["course"]) == expected
    tabs = tmp_path / "q.TSV"
    tabs.write_text('\ufeffquestion\tcourse\tdocument\nWhere, exactly?\tml\ta.md\nWho?\t\t"b\nc"\n', encoding="utf-8")
    assert read_questions(tabs, "question", "document", ["course"]) == expected
    semicolons = tmp_path / "semicolons.csv"
    semicolons.write_text('\ufeffquestion;course;document\nWhere, exactly?;ml;a.md\nWho?;;"b\nc"\n', encoding="utf-8")
    assert read_questions(semicolons, "question", "document", ["course"]) == expected


def test_a_filter_that_limits_nothing_by_mistake_is_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "q.jsonl", {"question": "Who?", "document": "a", "course": ["ml"]})
    with pytest.raises(UsageError, match=r"line 1: the filter 'course' is \['ml'\]"):
        read_questions(path, "question", "document", ["course"])


def test_other_names_of_columns_and_several_answers(tmp_path: Path) -> None:
    path = lines(tmp_path / "q.jsonl", {"q": "Where?", "answers": ["a", 7], "year": 2024})
    assert read_questions(path, "q", "answers", ["year"]) == [Question("Where?", ("a", "7"), {"year": 2024})]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absent.csv", None, "cannot read the questions in"),
        ("empty.csv", "", "there are no questions"),
        ("head.csv", "question,document\n", "there are no questions"),
        ("column.csv", "question,doc\nWho?,a\n", "line 2: there is no 'document'; the columns are: 'question', 'doc'"),
        ("pipes.csv", "question|document\nWho?|a\n", r"'question\|document'. .* semicolons or tabs are between cells"),
        ("short.csv", "question,document\nWho?\n", "line 2: there is no 'document'"),
        ("blank.csv", "question,document\n ,a\n", "line 2: the question is ' '"),
        ("nothing.csv", "question,document\nWho?, \n", "line 2: the document is ' '"),
        ("quote.csv", 'question,document\n"Who?,a\n', "cannot read the questions"),
        ("bytes.csv", b"question,document\n\xff\xfe,a\n", "save the file as UTF-8"),
        ("no.jsonl", "{'a': 1}", "line 1: .* write one JSON object"),
        ("list.jsonl", "\n[1]", "line 2: write one JSON object"),
        ("null.jsonl", '{"question": "Who?", "document": null}', "there is no 'document'"),
        ("types.jsonl", '{"question": "Who?", "document": [{}]}', "the document is"),
        ("number.jsonl", '{"question": 3, "document": "a"}', "the question is 3"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(
    tmp_path: Path, name: str, text: str | bytes | None, message: str
) -> None:
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=message) as caught:
        read_questions(tmp_path / name, "question", "document")
    assert name in str(caught.value)


def test_the_published_questions_can_be_read(faq: Path) -> None:
    questions = read_questions(faq / "questions-dev.csv", "question", "document", ["course"])
    with (faq / "questions-dev.csv").open(encoding="utf-8", newline="") as file:
        assert len(questions) == len(list(csv.DictReader(file)))
    assert set(questions[0].filter) == {"course"}


# Which documents are meant


def test_documents_are_named_by_id_uri_key_or_the_end_of_a_uri() -> None:
    places = [
        Place("1", "file:///home/a/guide/x.md"),
        Place("2", "file:///home/b/x.md"),
        Place("3", "https://e.org/faq.json", "7842"),
        Place("4", "x.md"),
    ]
    names = ["1", "file:///home/b/x.md", "7842", "https://e.org/faq.json#7842", "guide/x.md", "x.md", "b/x.md", "y"]
    found = relevant_documents([Question("?", (name,)) for name in names], places)
    assert [set(ids) for ids in found] == [{"1"}, {"2"}, {"3"}, {"3"}, {"1"}, {"4"}, {"2"}, set()]
    assert relevant_documents([Question("?", ("1", "7842"))], places) == [frozenset({"1", "3"})]


# The verdict


def report(hit: float, mrr: float, before: tuple[float, float] | None = None) -> EvaluationReport:
    active = Figures(version="v1", hit=before[0], mrr=before[1]) if before else None
    return EvaluationReport(questions=10, k=5, candidate=Figures(version="v2", hit=hit, mrr=mrr), active=active)


def test_what_is_just_good_enough_passes() -> None:
    judge(report(0.9, 0.7), 0.9, 0.0)
    judge(report(0.9, 0.7, (0.9, 0.7)), 0.0, 0.0)
    judge(report(0.8, 0.6, (0.9, 0.7)), 0.0, 0.1)
    judge(report(0.1, 0.1, (0.9, 0.7)), 0.0, None)
    judge(EvaluationReport(skipped="no reason"), 1.0, 0.0)


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        (report(0.89, 0.7), "below gate.min_hit, 0.9"),
        (report(0.9, 0.8, (1.0, 0.8)), "hit@5 is 0.100 below the active version"),
        (report(0.9, 0.6, (0.9, 0.8)), "MRR@5 is 0.200 below the active version"),
    ],
)
def test_what_is_not_good_enough_fails_with_all_figures(figures: EvaluationReport, message: str) -> None:
    with pytest.raises(GateFailed, match=message) as caught:
        judge(figures, 0.9, 0.02)
    assert str(figures) in str(caught.value)
    assert caught.value.verdict == figures


# The gate in a run


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    rows = [f"where does the {name} sleep,{name}.md" for name in ANIMALS]
    path = tmp_path / "questions.csv"
    path.write_text("question,document\n" + "\n".join(rows) + "\n")
    return path


def config(questions: Path | None, *overrides: str) -> FeatureConfig:
    sources = json.dumps([{"kind": "memory", "name": "docs", "documents": TEXTS}])
    gate = [f"gate.questions={questions}", "gate.k=1"] if questions else []
    # Hashed words have no meaning of their own: half and half is a fusion that they win with.
    search = ["embedding.kind=hashing", "retrieval.fusion={kind: convex}"]
    return read_config(FeatureConfig, None, [f"ingest.sources={sources}", *search, *gate, *overrides])


def run(questions: Path | None, *overrides: str) -> Report:
    return plain.feature(config(questions, *overrides))


def active() -> str:
    with Workspace().store(config(None).load) as store:
        manifest = store.active()
    return manifest.version if manifest else ""


# Eight components cannot tell eight animals apart; 256 can.
WORSE = ("embedding.dimension=8", "retrieval.mode=dense")


def test_a_first_version_is_evaluated_alone(questions: Path) -> None:
    made = run(questions, "gate.min_hit=1")
    assert made.evaluation is not None
    assert (made.evaluation.questions, made.evaluation.unknown, made.evaluation.active) == (8, 0, None)
    assert made.evaluation.candidate == Figures(version="v1", hit=1.0, mrr=1.0)
    assert "evaluation: 8 questions, k=1: v1 hit 1.000, MRR 1.000" in made.summary()


def test_a_first_version_below_the_gate_is_not_served_and_can_be_later(questions: Path) -> None:
    with pytest.raises(GateFailed, match=r"hit@1 is below gate\.min_hit, 1"):
        run(questions, "gate.min_hit=1", *WORSE)
    assert active() == ""
    again = run(questions, *WORSE)
    assert (again.index_version, again.embedded, active()) == ("v1", 0, "v1")


def test_a_worse_version_is_not_activated_and_the_old_one_is_still_searched(questions: Path) -> None:
    run(questions)
    with pytest.raises(GateFailed, match=r"hit@1 is 0\.\d+ below the active version.*the active v1 hit 0\.875"):
        run(questions, *WORSE)
    assert active() == "v1"
    assert stages.search(config(None), ["where does the owl sleep"], {}, 1)[0][0].uri == "guide/owl.md"
    with Workspace().warehouse() as warehouse:
        record = warehouse.run_record(2)
    assert record["status"] == "failed"
    assert "v1 hit 0.875" in record["report"]["failures"][0]["detail"]  # type: ignore[index]


def test_a_version_that_is_as_good_is_activated_with_the_figures_of_both(questions: Path) -> None:
    run(questions)
    made = run(questions, "embedding.dimension=512")
    assert active() == "v2"
    assert made.evaluation is not None
    assert (made.evaluation.active, made.evaluation.candidate) == (
        Figures(version="v1", hit=1.0, mrr=1.0),
        Figures(version="v2", hit=1.0, mrr=1.0),
    )


def test_a_loss_may_be_allowed_or_not_asked_for(questions: Path) -> None:
    run(questions)
    assert run(questions, *WORSE, "gate.max_loss=1").evaluation.active is not None  # type: ignore[union-attr]
    assert active() == "v2"
    made = run(questions, "embedding.dimension=9", "retrieval.mode=dense", "gate.max_loss=null")
    assert made.evaluation is not None
    assert made.evaluation.active is None
    assert active() == "v3"


def test_nothing_is_opened_where_readers_go_on_with_their_version(
    questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(questions)

    def refuse(*arguments: object) -> None:
        raise AssertionError("the embedder was opened")

    monkeypatch.setattr(Hashing, "open", refuse)
    made = run(questions, "gate.min_hit=1")
    assert made.evaluation == EvaluationReport(skipped="readers go on with the version that they have")
    assert run(None).evaluation is None


def test_questions_are_read_before_anything_is_embedded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.csv"):
        run(tmp_path / "absent.csv")
    with Workspace().warehouse() as warehouse:
        assert list(warehouse.index_records()) == []


def test_questions_about_no_document_of_the_index_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("question,document\nwhere does the owl sleep,nowhere.md\n")
    with pytest.raises(UsageError, match=r"none of the 1 questions names a document.*'nowhere\.md'"):
        run(path)
    assert active() == ""


def test_a_question_about_an_unknown_document_is_missed_and_counted(questions: Path) -> None:
    questions.write_text(questions.read_text() + "where does the yeti sleep,yeti.md\n")
    made = run(questions)
    assert made.evaluation is not None
    assert made.evaluation.unknown == 1
    assert made.evaluation.candidate is not None
    assert made.evaluation.candidate.hit == pytest.approx(8 / 9, abs=1e-5)


def test_filters_limit_what_is_searched(tmp_path: Path) -> None:
    records = [{"id": n, "text": "the same text", "course": course} for n, course in enumerate("abc")]
    (tmp_path / "records.json").write_text(json.dumps(records))
    path = lines(
        tmp_path / "q.jsonl", *({"question": "same text", "document": n, "course": "abc"[n]} for n in range(3))
    )
    source = {"kind": "json", "name": "r", "url": str(tmp_path / "records.json"), "template": "{text}"}
    sources = json.dumps([source | {"metadata": ["course"]}])
    overrides = [f"ingest.sources={sources}", f"gate.questions={path}", "gate.k=1", "gate.min_hit=1"]
    with pytest.raises(GateFailed, match=r"hit 0\.333"):
        run(None, *overrides)
    assert run(None, *overrides, "gate.filters=[course]").evaluation is not None


def test_an_active_version_whose_model_is_gone_is_named(questions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(questions)
    working = Hashing.open

    def gone(self: Hashing, home: Path) -> object:
        if self.dimension == 256:
            raise UsageError("the weights are not here")
        return working(self, home)

    monkeypatch.setattr(Hashing, "open", gone)
    with pytest.raises(UsageError, match=r"active version v1.*cannot be opened: the weights.*gate\.max_loss"):
        run(questions, "embedding.dimension=512")
