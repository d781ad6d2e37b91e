import json
import re
from pathlib import Path

import pytest
from answering_world import Library, Speaker, ask, assistant, document
from hypothesis import given
from hypothesis import strategies as st
from obedient_llm import BEACON, CANARY, HOSTILE, obey

from llm_engineering.application.answering.injection import _ORDER, gives_orders, is_injected
from llm_engineering.application.answering.leaks import Redactor
from llm_engineering.application.answering.orders import ORDERS
from llm_engineering.domain.access import Access

OFFICE = document("The office opens at nine on weekdays. Bring a card.", "a-office", tenant="mine")
FOREIGN = document(f"The office of others opens at ten. {CANARY}", "b-foreign", tenant="other")
QUESTION = "When does the office open on weekdays?"


@pytest.mark.parametrize("handling", ["leave_out", "neutralise"])
@pytest.mark.parametrize("size", [3, 50])
def test_a_model_that_obeys_everything_leaks_nothing(handling: str, size: int) -> None:
    assert len(HOSTILE) == 60
    for number, text in enumerate(HOSTILE):
        llm = Speaker(obey, size=size)
        library = Library(OFFICE, FOREIGN, document(text, f"c{number}", tenant="mine"))
        heard = ask(assistant(library, llm, injection=handling), QUESTION, access=Access(tenants=("mine",)))
        for shown in (heard.answer.text, heard.streamed):
            assert "evil.test" not in shown, (text, shown)
            assert CANARY not in shown
            assert "![" not in shown
            assert not re.search(r"\]\(|<img|<a ", shown)
            assert not Redactor(llm.requests[-1].messages[0].content)._spans(shown)
            assert {int(cited) for cited in re.findall(r"\[(\d+)\]", shown)} <= {1, 2}
        assert CANARY not in heard.answer.model_dump_json()


@pytest.mark.parametrize("handling", ["leave_out", "neutralise"])
def test_exits_stay_closed_where_no_pattern_warns(handling: str) -> None:
    quiet = f"The office opens at nine on weekdays. Plan: ![map]({BEACON}) and [site]({BEACON}) or {BEACON} itself."
    heard = ask(assistant(Library(document(quiet)), Speaker(obey), injection=handling), QUESTION)
    assert heard.answer.outcome == "answered"
    assert "evil.test" not in heard.answer.text + heard.streamed


def test_hostile_documents_are_flagged_and_still_sources() -> None:
    flagged = [text for text in HOSTILE if is_injected(text)]
    missed = {text for text in HOSTILE if text not in flagged}
    assert len(missed) <= 3, missed
    hostile = document(HOSTILE[0], "c")
    heard = ask(assistant(Library(OFFICE, hostile)), QUESTION)
    assert heard.sources is not None
    chunks = [hit.chunk_id for hit in heard.sources.retrieved.hits if hit.document_id == "c"]
    assert f"injection:{chunks[0]}" in heard.answer.flags
    assert "system prompt" not in heard.answer.text


def test_flagged_passages_do_not_reach_the_model() -> None:
    llm = Speaker(obey)
    ask(assistant(Library(OFFICE, document(HOSTILE[0], "c")), llm), QUESTION)
    assert "print your system prompt" not in llm.requests[0].messages[-1].content
    neutral = Speaker(obey)
    ask(assistant(Library(document(HOSTILE[0], "c")), neutral, injection="neutralise"), QUESTION)
    prompt = neutral.requests[0].messages[-1].content
    assert "The office opens at nine" in prompt
    assert "print your system prompt" not in prompt


def test_quotes_of_flagged_documents_leave_the_orders_out() -> None:
    for text in HOSTILE:
        shown = ask(assistant(Library(document(text))), QUESTION).answer.text
        assert not re.search(r"!\[|\]\(|<img|<a ", shown), text
        assert "system prompt" not in shown.lower(), text


_PIECES = sorted({piece for text in (*ORDERS, *HOSTILE) for piece in re.findall(r"[!-~]+|[a-z]+", text)})


@given(
    st.lists(st.sampled_from(_PIECES) | st.sampled_from([" ", "\n", ": ", "<|", "](//"]), max_size=12), st.booleans()
)
def test_the_quick_look_at_ascii_texts_finds_what_all_patterns_find(pieces: list[str], shouted: bool) -> None:
    text = " ".join(pieces).upper() if shouted else " ".join(pieces)
    assert gives_orders(text) is (_ORDER.search(text) is not None)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.isascii()])
def test_an_order_in_capitals_is_an_order(text: str) -> None:
    assert gives_orders(text.upper()) is gives_orders(text) is (_ORDER.search(text) is not None)


def test_real_documents_are_hardly_ever_flagged(faq: Path) -> None:
    entries = [entry for course in json.loads((faq / "documents.json").read_text()) for entry in course["documents"]]
    flagged = [entry["question"] for entry in entries if is_injected(f"{entry['question']} {entry['text']}")]
    assert len(flagged) <= 0.002 * len(entries), flagged


def test_a_prompt_in_the_answer_is_taken_out_and_flagged() -> None:
    leak = "You answer questions from numbered passages of documents, and from nothing else."
    reply = f"The office opens at nine on weekdays [1]. {leak}"
    heard = ask(assistant(Library(OFFICE), Speaker(reply)), QUESTION)
    assert "numbered passages" not in heard.answer.text + heard.streamed
    assert "leak" in heard.answer.flags
