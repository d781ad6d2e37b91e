"""A table of questions becomes a table of answers: one row out for each row in, whatever is in the rows."""

import csv
import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_lines import ROOT
from scripted_assistant import FewDocuments, ScriptedAssistant, opener

from llm_engineering import stages
from llm_engineering.config import BatchInferenceConfig, ProjectConfig, read_config
from llm_engineering.domain.conditions import And, Eq
from llm_engineering.domain.errors import GateFailed, UsageError
from llm_engineering.domain.reports import BatchReport


def config_of(path: Path, **batch: Any) -> BatchInferenceConfig:
    return BatchInferenceConfig.model_validate({"batch": {"input": path, **batch}}).resolved()


def answer(config: BatchInferenceConfig, assistant: ScriptedAssistant | None = None) -> BatchReport:
    assistant = assistant or ScriptedAssistant(FewDocuments())
    plan = stages.plan_questions(config)
    report, answers = stages.answer_questions(config, plan, 0, opener(assistant))
    assert report.balances
    assert len(answers) == report.rows == plan.rows
    stages.write_answers(config, plan, answers)
    return report


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def questions(folder: Path, *texts: str, name: str = "questions.csv") -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [["id", "question", "course"], *([f"r{n}", text, ""] for n, text in enumerate(texts))]
        )
    return path


MIXED = ("who sings?", "nothing", "", "fail", "usage", "vendor", "broken", "silent", "who sings?")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_each_row_has_its_answer_or_its_error_in_the_order_of_the_table(tmp_path: Path, ending: str) -> None:
    path = questions(tmp_path, *MIXED)
    assistant = ScriptedAssistant(FewDocuments())
    report = answer(config_of(path, output=tmp_path / f"answers.{ending}", id="id"), assistant)
    rows = read(tmp_path / f"answers.{ending}")
    assert [row["id"] for row in rows] == [f"r{n}" for n in range(9)]
    assert [row["question"] for row in rows] == list(MIXED)
    assert [row["outcome"] for row in rows] == ["answered", "no_answer", "rejected", *["failed"] * 5, "answered"]
    codes = ["", "", "question", "BackendError", "UsageError", "unexpected", "llm_failed", "incomplete", ""]
    assert [row["error_code"] or "" for row in rows] == codes
    assert not any("sk-aaaa" in str(row) for row in rows)
    assert rows[0]["answer"] == ("'=Whales sing [1]." if ending == "csv" else "=Whales sing [1].")
    citations = rows[0]["citations"] if ending == "jsonl" else json.loads(rows[0]["citations"])
    assert citations[0]["quote"] == "Whales sing at night."
    versions = rows[0]["versions"] if ending == "jsonl" else json.loads(rows[0]["versions"])
    assert versions["index"] == "v7"
    assert float(rows[0]["confidence"]) == 0.75
    assert int(rows[0]["input_tokens"]) == 100
    assert rows[0]["answer_id"] != rows[8]["answer_id"], "equal questions are two rows"
    assert (report.answered, report.no_answer, report.rejected, report.failed) == (2, 1, 1, 5)
    assert (report.input_tokens, report.output_tokens) == (200, 20)
    assert report.cost == pytest.approx(0.002)
    assert report.rows_per_second > 0
    assert {item.reason for item in report.failures} >= {"BackendError", "unexpected", "llm_failed", "incomplete"}
    assert [item.uri for item in report.rejections] == [f"{path}, row 3 (r2)"]


def test_no_more_questions_are_asked_at_once_than_is_said(tmp_path: Path) -> None:
    path = questions(tmp_path, *(f"question {n}" for n in range(20)))
    assistant = ScriptedAssistant(FewDocuments(), pause=0.01)
    answer(config_of(path, concurrency=3), assistant)
    assert assistant.most_at_once == 3


def test_a_second_run_asks_only_what_failed(tmp_path: Path) -> None:
    path = questions(tmp_path, "one", "fail two", "three")
    answer(config_of(path))
    again = ScriptedAssistant(FewDocuments())
    report = answer(config_of(path), again)
    assert [question.text for question in again.asked] == ["fail two"]
    assert (report.resumed, report.answered, report.failed, report.input_tokens) == (2, 2, 1, 0)


def test_rows_that_were_added_sorted_or_removed_do_not_make_the_others_dear_again(tmp_path: Path) -> None:
    answer(config_of(questions(tmp_path, "one", "two", "two", "three")))
    path = questions(tmp_path, "new", "two", "three", "two", "two")
    assistant = ScriptedAssistant(FewDocuments())
    answer(config_of(path), assistant)
    assert sorted(question.text for question in assistant.asked) == ["new", "two"]
    assert [row["question"] for row in read(tmp_path / "questions.answers.csv")] == [
        "new",
        "two",
        "three",
        "two",
        "two",
    ]


def test_other_settings_are_other_answers_and_fresh_asks_all_again(tmp_path: Path) -> None:
    path = questions(tmp_path, "one", "two")
    answer(config_of(path))
    for change in ({"k": 3}, {"fresh": True}, {"access": {"tenants": ["a"]}}):
        assistant = ScriptedAssistant(FewDocuments())
        answer(config_of(path, **change), assistant)
        assert len(assistant.asked) == 2, change
    unchanged = ScriptedAssistant(FewDocuments())
    answer(config_of(path, concurrency=9, output=tmp_path / "elsewhere.jsonl"), unchanged)
    assert not unchanged.asked


def test_a_spent_budget_ends_the_batch_and_a_later_run_asks_the_rest(tmp_path: Path) -> None:
    path = questions(tmp_path, *(f"question {n}" for n in range(10)))
    report = answer(config_of(path, concurrency=2), ScriptedAssistant(FewDocuments(), budget=4))
    rows = read(tmp_path / "questions.answers.csv")
    assert len(rows) == 10
    assert (report.answered, report.unasked) == (4, 6)
    assert "budget of 1 US dollar" in report.stopped
    assert [row["error_code"] for row in rows].count("budget") == 6
    assert [item.reason for item in report.failures] == ["budget"]
    rest = ScriptedAssistant(FewDocuments())
    report = answer(config_of(path), rest)
    assert (len(rest.asked), report.answered, report.resumed, report.unasked) == (6, 10, 4, 0)


def test_filters_and_access_reach_every_question(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    rows = [{"question": "a", "course": "ml", "year": 3}, {"question": "b", "course": "", "year": None}]
    rows.append({"question": "c", "course": ["ml", "de"]})
    path.write_text("\n".join(map(json.dumps, rows)))
    assistant = ScriptedAssistant(FewDocuments())
    answer(config_of(path, filters=["course", "year"], access={"sources": ["docs"]}, k=2, llm="scripted"), assistant)
    asked = {question.text: question for question in assistant.asked}
    assert asked["a"].filter == And(conditions=(Eq(field="course", value="ml"), Eq(field="year", value=3)))
    assert asked["b"].filter is None
    assert "In" in repr(asked["c"].filter)
    assert {(question.access.sources, question.k, question.llm) for question in assistant.asked} == {
        (("docs",), 2, "scripted")
    }


def test_a_row_with_a_filter_that_is_none_gets_no_answer_of_a_run_without_filters(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "one", "course": {"a": 1}}\n{"question": "one", "course": "ml"}\n')
    assert answer(config_of(path)).answered == 2
    report = answer(config_of(path, filters=["course"]))
    assert (report.rejected, report.answered) == (1, 1)
    assert [row["outcome"] for row in read(tmp_path / "q.answers.jsonl")] == ["rejected", "answered"]


def test_hostile_rows_are_rejected_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    hostile: list[Any] = ["x" * 1_000_000, "a\0b", "\ud800", "   ", None, 7, ["a"], {"a": 1}, True, "\u202eok?", "💥?"]
    path.write_text("\n".join(json.dumps({"question": one, "note": "=cmd()"}) for one in hostile))
    report = answer(config_of(path, output=tmp_path / "a.csv"))
    csv.field_size_limit(10_000_000)
    rows = read(tmp_path / "a.csv")
    assert [row["outcome"] for row in rows] == ["rejected"] * 9 + ["answered"] * 2
    assert "1000000 characters" in rows[0]["error"]
    assert {row["note"] for row in rows} == {"'=cmd()"}
    assert report.rejected == 9
    for ending in ("parquet", "jsonl"):
        answer(config_of(path, output=tmp_path / f"a.{ending}"))
        assert len(read(tmp_path / f"a.{ending}")) == len(hostile)


@pytest.mark.parametrize(
    ("content", "batch", "message"),
    [
        (b"", {}, "empty"),
        (b"\n\n", {}, "empty"),
        (b"text\nhello\n", {}, "no column 'question'; it has 'text'"),
        (b"question;id\nhello;1\n", {}, "divided by ';', set batch.delimiter"),
        (b"question,question\na,b\n", {}, "'question' is there twice"),
        (b"question,a\nx,1,2\n", {}, "line 2: 3 cells under 2 columns"),
        (b'question\n"never closed\n', {}, "line"),
        (b"question\n\xe4\xf6\n", {}, "batch.encoding"),
        (b"question,answer\na,b\n", {}, "batch.prefix"),
        (b"question\na\n", {"filters": ["course"]}, "no column 'course'"),
        (b"question\na\n", {"id": "key"}, "no column 'key'"),
        (b"PAR1 nonsense", {"input": "q.parquet"}, "cannot read"),
        (b"{\n", {"input": "q.jsonl"}, "line 1"),
        (b"[1]\n", {"input": "q.jsonl"}, "line 1: write one JSON object"),
        (b"", {"input": "q.jsonl"}, "empty"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_before_anything_is_asked(
    tmp_path: Path, content: bytes, batch: dict[str, Any], message: str
) -> None:
    path = tmp_path / str(batch.get("input", "q.csv"))
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message.replace("[", r"\[")):
        stages.plan_questions(config_of(path, **{key: value for key, value in batch.items() if key != "input"}))


def test_marks_encodings_and_delimiters_are_understood(tmp_path: Path) -> None:
    text = "question;note\nWas heißt «naïve»?;ä\n"
    for name, content, encoding in (
        ("mark.csv", b"\xef\xbb\xbf" + text.encode(), "utf-8"),
        ("wide.csv", text.encode("utf-16"), "utf-8"),
        ("old.csv", text.encode("cp1252"), "cp1252"),
        ("tabs.csv", text.replace(";", "\t").encode(), "utf-8"),
    ):
        (tmp_path / name).write_bytes(content)
        assistant = ScriptedAssistant(FewDocuments())
        delimiter = "\\t" if name == "tabs.csv" else ";"  # as one writes it in YAML without quotes
        answer(config_of(tmp_path / name, encoding=encoding, delimiter=delimiter), assistant)
        assert [question.text for question in assistant.asked] == ["Was heißt «naïve»?"]
        assert read(tmp_path / f"{name[:-4]}.answers.csv")[0]["note"] == "ä"


@pytest.mark.parametrize("name", ["q.csv", "q.parquet"])
def test_a_table_without_rows_becomes_one_without_rows(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "q.csv":
        path.write_text("question,note\n")
    else:
        pq.write_table(pa.table({"question": pa.array([], pa.string()), "note": pa.array([], pa.int32())}), path)
    assert answer(config_of(path)).rows == 0
    assert read(tmp_path / f"q.answers{path.suffix}") == []


def test_columns_of_parquet_keep_their_types(tmp_path: Path) -> None:
    path = tmp_path / "q.parquet"
    table = pa.table(
        {
            "question": ["a", None, "c"],
            "when": pa.array([1, 2, None], pa.timestamp("us", tz="UTC")),
            "tags": pa.array([["x"], [], None], pa.list_(pa.string())),
            "small": pa.array([1, None, 3], pa.int8()),
        }
    )
    pq.write_table(table, path)
    answer(config_of(path))
    made = pq.read_table(tmp_path / "q.answers.parquet")
    assert made.select(table.column_names).equals(table)
    assert made["outcome"].to_pylist() == ["answered", "rejected", "answered"]
    for ending in ("csv", "jsonl"):
        answer(config_of(path, output=tmp_path / f"a.{ending}"))
        assert len(read(tmp_path / f"a.{ending}")) == 3


def test_the_answers_never_overwrite_the_questions(tmp_path: Path) -> None:
    path = questions(tmp_path, "one")
    (tmp_path / "link.csv").symlink_to(path)
    for output in (path, tmp_path / "link.csv"):
        with pytest.raises(UsageError, match="name another file"):
            config_of(path, output=output)
    with pytest.raises(UsageError, match=r"batch\.input"):
        BatchInferenceConfig().resolved()
    with pytest.raises(UsageError, match="ends in one of"):
        config_of(tmp_path / "questions.xlsx")


def test_a_table_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = questions(tmp_path, "one", "two")
    config = config_of(path)
    plan = stages.plan_questions(config)
    _, answers = stages.answer_questions(config, plan, 0, opener(ScriptedAssistant(FewDocuments())))
    questions(tmp_path, "one", "three")
    with pytest.raises(UsageError, match="was changed"):
        stages.write_answers(config, plan, answers)


def test_an_unknown_model_or_a_missing_index_fails_before_the_first_question(tmp_path: Path) -> None:
    class NoIndex(FewDocuments):
        def manifest(self) -> Any:
            raise UsageError("there is no index yet")

    path = questions(tmp_path, "one")
    assistant = ScriptedAssistant(FewDocuments())
    with pytest.raises(UsageError, match="scripted, extractive"):
        answer(config_of(path, llm="gpt-9"), assistant)
    with pytest.raises(UsageError, match="no index"):
        answer(config_of(path), nobody := ScriptedAssistant(NoIndex()))
    assert not assistant.asked
    assert not nobody.asked


CHILD = """
import sys
from pathlib import Path
from scripted_assistant import FewDocuments, ScriptedAssistant, opener
from llm_engineering import stages
from llm_engineering.config import BatchInferenceConfig
config = BatchInferenceConfig.model_validate({"batch": {"input": sys.argv[1], "concurrency": 4}}).resolved()
plan = stages.plan_questions(config)
assistant = ScriptedAssistant(FewDocuments(), log=Path(sys.argv[2]), pause=0.02)
report, answers = stages.answer_questions(config, plan, 0, opener(assistant))
stages.write_answers(config, plan, answers)
print(report.answered, report.resumed)
"""


def test_after_kills_only_what_is_missing_is_asked_and_nothing_twice_but_what_was_under_way(
    tmp_path: Path, home: Path
) -> None:
    path = questions(tmp_path, *(f"question {n % 50}" for n in range(120)))
    log = tmp_path / "asked.log"
    command = [sys.executable, "-c", CHILD, str(path), str(log)]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "LLM_ENGINEERING_HOME": str(home), "PATH": "/usr/bin"}
    for wanted in (15, 50):
        child = subprocess.Popen(command, env=environment, cwd=ROOT)
        until = time.monotonic() + 120
        while not log.exists() or len(log.read_text().splitlines()) < wanted:
            assert child.poll() is None, "the batch ended before it was killed"
            assert time.monotonic() < until
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not (tmp_path / "questions.answers.csv").exists()
    last = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=240)
    answered, resumed = map(int, last.stdout.split())
    assert answered == 120
    assert resumed >= 50 - 8
    assert len(log.read_text().splitlines()) <= 120 + 2 * 4, "at most those under way at each kill are asked twice"
    rows = read(tmp_path / "questions.answers.csv")
    assert [row["question"] for row in rows] == [f"question {n % 50}" for n in range(120)]
    assert {row["outcome"] for row in rows} == {"answered"}


def test_a_journal_that_was_cut_or_damaged_costs_those_rows_only(tmp_path: Path, home: Path) -> None:
    path = questions(tmp_path, "one", "two", "three", "four")
    answer(config_of(path, concurrency=1))
    journal = next((home / "batches").iterdir())
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + b"{nonsense}\n" + lines[2] + lines[3][:40])
    assistant = ScriptedAssistant(FewDocuments())
    report = answer(config_of(path), assistant)
    assert sorted(question.text for question in assistant.asked) == ["four", "two"]
    assert report.answered == 4
    assert oct(journal.stat().st_mode)[-3:] == "600"


def test_the_report_and_the_limits_know_rows(tmp_path: Path) -> None:
    config = config_of(questions(tmp_path, "one", "fail", ""))
    run = stages.open_run("batch_inference", {}, config.holds)
    plan = stages.plan_questions(config, run)
    batch, _ = stages.answer_questions(config, plan, run, opener(ScriptedAssistant(FewDocuments())))
    report = stages.report("batch_inference", run, batch=batch)
    assert (report.found, report.new, report.rejected, report.failed) == (3, 1, 1, 1)
    assert "3 rows = 1 answered" in report.summary()
    assert "documents:" not in report.summary()
    with pytest.raises(GateFailed, match="the store failed"):
        stages.check(report, config.limits)
    stages.check(report, config.limits.model_copy(update={"failures": 1}))
    with pytest.raises(GateFailed):
        stages.check(report, config.limits.model_copy(update={"failures": 1, "rejections": 0}))


def test_one_file_serves_all_pipelines(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text("ingest: {sources: []}\nload: {collection: x}\nbatch: {input: q.csv}\ntracing: {sample: 0.5}\n")
    config = read_config(BatchInferenceConfig, path)
    assert (config.load.collection, config.batch.input, config.tracing.sample) == ("x", Path("q.csv"), 0.5)
    assert "batch" in ProjectConfig.model_fields
    path.write_text("batch: {imput: q.csv}\n")
    with pytest.raises(UsageError, match="input"):
        read_config(BatchInferenceConfig, path)


def test_what_is_not_known_is_empty_and_not_zero(tmp_path: Path) -> None:
    from llm_engineering.application.answering.batch import answered
    from llm_engineering.domain.answers import Answer, Finished
    from llm_engineering.domain.batches import BatchRow
    from llm_engineering.domain.llms import Usage

    unknown = Answer(id="1", question="q", text="t", outcome="answered", usage=Usage(calls=1, input_tokens=5))
    row = answered(BatchRow(0, "k", "", "q"), Finished(unknown), 0.1)
    assert math.isnan(row.cost)
    assert math.isnan(row.confidence)
