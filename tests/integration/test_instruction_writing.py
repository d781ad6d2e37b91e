"""What models write for data sets: kept, repaired, reported, never paid twice, refused where they invent."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_lines import ROOT
from dataset_world import TOPICS, fill
from writing_llm import WritingLlm, honest, inventing, items, passage_in, preferring

from llm_engineering import plain, stages
from llm_engineering.application.datasets.corpus import corpus_of
from llm_engineering.application.instructions.material import Inquiry
from llm_engineering.application.instructions.writing import Asking, Instructing
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.bootstrap.instructions import open_writer
from llm_engineering.config import InstructDatasetConfig, Load, PreferenceDatasetConfig, read_config
from llm_engineering.domain.datasets import Split
from llm_engineering.domain.errors import GateFailed, UsageError
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.domain.llms import LlmRequest, Message
from llm_engineering.domain.reports import DatasetReport, Report
from llm_engineering.infrastructure.datasets.replies import open_replies, replies_of
from llm_engineering.infrastructure.llms.counting import most_tokens
from tools.dry_run import describe

pytestmark = pytest.mark.slow

WRITING = "instructions.pairs=[{kind: llm, least: 3, each: 1, concurrency: 1}]"
COMPARING = "preferences.pairs=[{kind: llm, least: 3, each: 1, concurrency: 1%s}]"


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for proxy in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    fill(tmp_path / "docs")


def instruct(llm: WritingLlm, *overrides: str, **budget: object) -> InstructDatasetConfig:
    given = ["embedding.kind=hashing", llm.section(budget=budget), WRITING, *overrides]
    return read_config(InstructDatasetConfig, None, given)


def prefer(llm: WritingLlm, *overrides: str, more: str = "") -> PreferenceDatasetConfig:
    given = ["embedding.kind=hashing", llm.section(), COMPARING % more, *overrides]
    return read_config(PreferenceDatasetConfig, None, given)


def account(report: Report) -> DatasetReport:
    assert report.dataset is not None
    return report.dataset


def instructions() -> list[Instruction]:
    store = open_datasets(Workspace())
    return list(store.rows_of(Instruction, store.find("instructions"), list(Split)))


def preferences() -> list[Preference]:
    store = open_datasets(Workspace())
    return list(store.rows_of(Preference, store.find("preferences"), list(Split)))


def test_what_an_honest_model_writes_is_kept_and_paid_once() -> None:
    with WritingLlm(honest) as llm:
        first = account(plain.instruct_dataset(instruct(llm)))
        assert llm.calls == 12
        assert first.origins == {"llm": 12}
        assert (first.input_tokens, first.output_tokens, first.cost) == (1_200, 240, pytest.approx(0.00168))
        assert {row.writer for row in instructions()} == {"m"}
        second = account(plain.instruct_dataset(instruct(llm)))
        assert (llm.calls, second.resumed, second.reference) == (12, 12, first.reference)
    card = open_datasets(Workspace()).find("instructions")
    assert set(card.settings["inputs"]) == {"prompt instructions-1", "model"}  # type: ignore[call-overload]


def test_a_model_that_invents_is_refused_and_nothing_is_written() -> None:
    with WritingLlm(inventing) as llm:
        with pytest.raises(GateFailed, match=r"groundedness 1\.000 \(bound 0\.3\) REFUSED: 12 of 12 failed"):
            plain.instruct_dataset(instruct(llm))
        with pytest.raises(GateFailed, match=r"verbatim 1\.000"):
            plain.preference_dataset(prefer(llm))
    assert list(open_datasets(Workspace()).all()) == []


def test_what_a_model_seldom_invents_goes_row_by_row() -> None:
    def reply(prompt: str) -> str:
        return inventing(prompt) if "anchor" in prompt or "cello" in prompt else honest(prompt)

    with WritingLlm(reply) as llm:
        found = account(plain.instruct_dataset(instruct(llm)))
    assert found.dropped["not_grounded"] == 2
    assert found.origins == {"llm": 10}
    figure = next(gate for gate in found.gates if gate.name == "groundedness")
    assert (figure.rows, figure.failed, figure.passed) == (12, 2, True)
    assert not any("Zorbo" in row.answer for row in instructions())


def test_bad_json_is_asked_for_again_and_reported_in_the_end() -> None:
    calls = 0

    def reply(prompt: str) -> str:
        nonlocal calls
        calls += 1
        if "falcon" in prompt:
            return '{"items": [{"question": "cut'
        return "I am sorry, here is no JSON." if calls % 10 < 3 else honest(prompt)

    with WritingLlm(reply) as llm:
        report = plain.instruct_dataset(instruct(llm))
        found = account(report)
        assert found.origins == {"llm": 11}  # all but one, though three of ten replies are none
        assert (report.failed, report.failures[0].reason) == (1, "bad_reply")
        assert "asked 2 times" in report.failures[0].detail
        asked = llm.calls
        assert (found.input_tokens, found.output_tokens) == (
            100 * asked,
            20 * asked,
        )  # what brought nothing was paid for
        again = account(plain.instruct_dataset(instruct(llm)))
        assert again.resumed == 11
        assert llm.calls == asked + 4  # only what failed is asked again


def test_a_bad_item_costs_no_good_one_beside_it() -> None:
    def reply(prompt: str) -> str:
        good = json.loads(honest(prompt))["items"]
        return items(*good, {"question": "Why?"}) if "bakery" in prompt else honest(prompt)

    with WritingLlm(reply) as llm:
        report = plain.instruct_dataset(instruct(llm))
    assert account(report).origins == {"llm": 12}
    assert [(one.reason, one.detail[:12]) for one in report.failures] == [("bad_item", "1 of 2 items")]


def test_questions_that_need_the_passage_or_are_their_own_answer_are_left_out() -> None:
    def reply(prompt: str) -> str:
        item = json.loads(honest(prompt))["items"][0]
        if "anchor" in prompt:
            return items({**item, "question": item["answer"].rstrip(".").upper() + "?"})
        return items({**item, "question": "What does this passage say?"} if "cello" in prompt else item)

    with WritingLlm(reply) as llm:
        assert account(plain.instruct_dataset(instruct(llm))).dropped == {
            "not_self_contained": 1,
            "repeats_question": 1,
        }


def test_a_question_that_is_written_for_many_documents_is_left_out_and_ties_none_of_them() -> None:
    def reply(prompt: str) -> str:
        own = json.loads(honest(prompt))["items"][0]
        return items({**own, "question": "What is it for?"}, own)

    with WritingLlm(reply) as llm:
        found = account(plain.instruct_dataset(instruct(llm, WRITING.replace("each: 1", "each: 2"))))
    assert found.dropped == {"names_many_documents": 12}
    assert (found.origins, found.clusters) == ({"llm": 12}, 12)


def test_a_spent_budget_keeps_what_is_there_and_the_next_run_goes_on(home: Path) -> None:
    with WritingLlm(honest) as llm:
        with Workspace().store(Load()) as store, store.read() as index:
            passages = corpus_of(index.scan(), None).passages
        most = max(most_tokens(one.request) + 800 for one in Instructing(each=1).inquiries(passages))
        report = plain.instruct_dataset(instruct(llm, tokens=most + 5 * 120))
        found = account(report)
        assert 0 < llm.calls < 12
        assert (found.unasked, report.failures[0].reason) == (12 - llm.calls, "budget")
        rest = account(plain.instruct_dataset(instruct(llm)))
        assert (llm.calls, rest.unasked, max(llm.asked.values())) == (12, 0, 1)


def test_a_dry_run_says_what_it_would_cost_and_asks_nothing() -> None:
    with WritingLlm(honest) as llm:
        (estimate,) = stages.estimate_drafts(instruct(llm))
        assert (estimate.passages, estimate.known, estimate.output_tokens) == (12, 0, 12 * 800)
        assert estimate.cost == pytest.approx((estimate.input_tokens + 2 * 12 * 800) / 1e6)
        text = describe("instruct_dataset", instruct(llm).resolved(), as_json=False)
        assert "writer reads 12 of 12 passages" in text
        both = stages.estimate_drafts(prefer(llm, more=", unread: true"))
        assert [one.passages for one in both] == [12, 12]
        assert llm.calls == 0


@pytest.mark.parametrize("template", ["{{ pasage }}", "{passage}", "{% if title %}{{ chunk }}{% endif %}{{ passage }}"])
def test_a_prompt_that_lacks_its_variable_is_refused_before_anything_is_asked(tmp_path: Path, template: str) -> None:
    mine = tmp_path / "mine.jinja"
    mine.write_text("{% block system %}Write.{% endblock %}{% block user %}" + template + "{% endblock %}")
    with WritingLlm(honest) as llm:
        pairs = f"instructions.pairs=[{{kind: llm, least: 3, prompt_file: {mine}}}]"
        for run in (plain.instruct_dataset, stages.estimate_drafts):
            with pytest.raises(UsageError, match="Nothing was asked"):
                run(instruct(llm, pairs))
        assert llm.calls == 0


def test_preferences_set_the_documents_words_against_those_of_a_model() -> None:
    with WritingLlm(preferring) as llm:
        found = account(plain.preference_dataset(prefer(llm)))
    assert found.origins == {"llm": 12}
    rows = preferences()
    assert {row.chosen for row in rows} == set(TOPICS.values())
    assert all(row.chosen != row.rejected and row.writer == "m" and row.rejected_document == "" for row in rows)
    assert all(row.end - row.start == len(row.chosen) for row in rows)


def test_a_model_that_repeats_the_document_as_its_own_answer_is_refused() -> None:
    def reply(prompt: str) -> str:
        item = json.loads(preferring(prompt))["items"][0]
        return items({**item, "answer": item["extract"].upper()})

    with WritingLlm(reply) as llm, pytest.raises(GateFailed, match=r"distinct 1\.000"):
        plain.preference_dataset(prefer(llm))
    assert list(open_datasets(Workspace()).all()) == []


def test_a_set_whose_better_answers_are_the_shorter_ones_is_refused() -> None:
    def reply(prompt: str) -> str:
        item = json.loads(preferring(prompt))["items"][0]
        return items({**item, "answer": f"{item['answer']} as everybody knows"})

    with WritingLlm(reply) as llm, pytest.raises(GateFailed, match=r"length_bias 1\.000 \(bound 0\.8\) REFUSED"):
        plain.preference_dataset(prefer(llm))
    assert list(open_datasets(Workspace()).all()) == []


def test_the_worse_answer_may_be_one_of_a_model_that_has_read_nothing() -> None:
    asked: list[str] = []

    def reply(prompt: str) -> str:
        if passage_in(prompt):
            return preferring(prompt)
        asked.append(prompt)
        return json.dumps({"answer": f"I believe that nobody knows, as often as you ask me: {prompt}"})

    # The stand-in does not heed the length that it is asked for, so it is not judged here.
    bias = "preferences.gates.length_bias=1"
    with WritingLlm(reply) as llm:
        report = account(plain.preference_dataset(prefer(llm, bias, more=", unread: true")))
        assert report.origins == {"llm": 12}
        assert all(row.rejected.startswith("I believe") for row in preferences())
        pairs = "preferences.pairs=[{kind: answering}]"
        report = account(plain.preference_dataset(prefer(llm, pairs, bias)))
        assert report.origins == {"heading": 12}
    assert len(asked) == 24
    assert not [prompt for prompt in asked if any(text in prompt for text in TOPICS.values())]


def test_the_same_request_at_the_same_time_is_paid_once(home: Path) -> None:
    request = LlmRequest(messages=(Message(role="user", content="Why?"),), documents=("d",))
    inquiries = [Inquiry(f"d{number}", request) for number in range(5)]
    with WritingLlm(lambda _: json.dumps({"answer": "So."})) as llm:
        specs = instruct(llm).llms
        replies = open_writer(specs, Workspace())(Asking(concurrency=5), inquiries, lambda text: (1, 0))
        assert (llm.calls, replies.resumed, len(replies.texts)) == (1, 4, 5)


def test_after_a_kill_nothing_is_asked_again(home: Path, tmp_path: Path) -> None:
    with WritingLlm(honest) as llm:
        llm.stop_after = 5
        command = [sys.executable, "-m", "tools.run", "instruct-dataset", "--plain", "--set", "embedding.kind=hashing"]
        for override in (llm.section(), WRITING):
            command += ["--set", override]
        config = tmp_path / "none.yaml"
        config.write_text("{}\n")
        child = subprocess.Popen(
            [*command, "--config", str(config)], cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            env={**os.environ, "LLM_ENGINEERING_HOME": str(home), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while llm.calls < 6 and time.monotonic() < deadline:
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        assert llm.calls == 6  # five were answered and kept; the sixth never got its answer
        with open_replies(home) as replies:
            assert len(replies) == 5
        llm.stop_after = 0
        llm.go_on.set()
        report = account(plain.instruct_dataset(instruct(llm)))
        assert (report.resumed, report.origins) == (5, {"llm": 12})
        assert set(llm.answered.values()) == {1}
        assert len(llm.answered) == 12


def test_replies_are_forgotten_with_their_documents(tmp_path: Path, home: Path) -> None:
    from llm_engineering.domain.erasure import Target
    from llm_engineering.erasure import forget

    with WritingLlm(honest) as llm:
        plain.instruct_dataset(instruct(llm))
    secret = TOPICS["falcon"][:40]
    assert secret in replies_of(home).read_text()
    forget(Target(kind="uri", name=(tmp_path / "docs" / "falcon.md").as_uri()))
    assert secret not in replies_of(home).read_text()
    assert not any(secret in row.answer for row in instructions())
