import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from answering_world import Heard, Library, Shelf, Speaker, ask, assistant, document, events_of

from llm_engineering.application.answering.wording import SENTENCES, Wording
from llm_engineering.domain.access import Access
from llm_engineering.domain.answers import Broken, Finished, Piece, Question, Sources
from llm_engineering.domain.conditions import Eq
from llm_engineering.domain.errors import BackendError, BudgetExceeded, UsageError
from llm_engineering.domain.llms import Completion, Delta, LlmRequest, Message
from llm_engineering.infrastructure.llms.fallback import Fallback
from llm_engineering.infrastructure.llms.layer import Layer

COURSE = document(
    "The course starts in January. You can join after the start date. Homework has deadlines.", "course", title="Course"
)
PAY = document("The certificate is free of charge. No payment is needed for anything.", "pay", title="Costs")
OTHER = document("The secret budget of the board is 7 million euros.", "board", tenant="board")
GOOD = 'Yes, you can join later [1].\nQUOTES\n[1] "You can join after the start date."'


def library() -> Library:
    return Library(COURSE, PAY)


def test_events_come_in_order_and_the_answer_quotes_its_source() -> None:
    heard = ask(assistant(library()), "Can I join after the start?")
    assert isinstance(heard.events[0], Sources)
    assert all(isinstance(event, Piece) for event in heard.events[1:-1])
    assert heard.answer.outcome == "answered"
    first = heard.answer.citations[0]
    assert (first.number, first.verdict) == (1, "found")
    assert COURSE.text[first.start : first.end] == first.quote
    assert "You can join after the start date." in heard.answer.text
    assert heard.streamed == heard.answer.text


def test_source_code_is_quoted_as_code_and_nothing_in_it_ends_the_block() -> None:
    lines = ["    def join(self):", '        """Join the course.', "", '        ```"""', "        return self.later"]
    text = "\n".join(["class Course:", *(f"    field_{number}: int" for number in range(60)), "", *lines])
    code = replace(document(text, "course.py"), format="code", metadata={"language": "python"})
    answer = ask(assistant(Library(code)), "How does one join the course?").answer
    [citation] = answer.citations
    assert text[citation.start : citation.end] == citation.quote
    assert answer.text == '```python\ndef join(self):\n    """Join the course.\n```\n[1]'
    whole = replace(code, text="\n".join(lines), metadata={"language": "`x"})
    answer = ask(assistant(Library(whole)), "How does one join the course?").answer
    shown = "\n".join(line.removeprefix("    ") for line in lines)
    assert answer.text == f"````\n{shown}\n````\n[1]"


def test_a_question_that_no_source_answers_is_not_answered() -> None:
    heard = ask(assistant(library()), "Which volcano erupted?")
    assert heard.answer.outcome == "no_answer"
    assert "do not answer" in heard.answer.text
    assert heard.finished is not None
    assert heard.finished.hits


def test_a_search_below_its_threshold_is_not_answered_even_with_a_model() -> None:
    llm = Speaker(GOOD)
    heard = ask(assistant(Library(COURSE, answerable=False, confidence=0.1), llm), "Can I join?")
    assert heard.answer.outcome == "no_answer"
    assert heard.answer.confidence == 0.1
    assert not llm.requests


@pytest.mark.parametrize("language", list(SENTENCES))
def test_what_an_answer_says_by_itself_is_in_the_configured_language(language: Wording) -> None:
    said = SENTENCES[language]
    nothing = ask(assistant(library(), language=language), "Which volcano erupted?").answer
    assert nothing.text.startswith(said.nothing)
    invented = 'It costs 500 dollars [1].\nQUOTES\n[1] "The fee of the course is 500 dollars."'
    unverified = ask(assistant(library(), Speaker(invented), language=language), "Can I join after the start?").answer
    assert unverified.text.startswith(f"{said.unverified}\n\n")


def test_an_empty_index_is_no_answer_and_no_error() -> None:
    heard = ask(assistant(Library(), Speaker(GOOD)), "Can I join?")
    assert (heard.answer.outcome, heard.answer.citations) == ("no_answer", ())


def test_a_models_answer_streams_without_its_quotes_and_is_checked() -> None:
    heard = ask(assistant(library(), Speaker(GOOD)), "Can I join after the start?")
    assert heard.streamed.strip() == heard.answer.text == "Yes, you can join later [1]."
    assert heard.verdicts == {1: "found"}
    assert heard.answer.citations[0].quote == "You can join after the start date."
    assert heard.answer.versions.llm == "speaker"
    assert heard.answer.usage.calls == 1
    assert set(heard.answer.seconds) >= {"search", "llm", "check"}


@pytest.mark.parametrize("size", [1, 3, 11, 1_000])
def test_the_answer_is_the_same_however_it_is_cut_into_pieces(size: int) -> None:
    heard = ask(assistant(library(), Speaker(GOOD, size=size)), "Can I join after the start?")
    assert heard.streamed.strip() == "Yes, you can join later [1]."


def test_a_forgotten_quote_is_found_for_the_claim() -> None:
    heard = ask(assistant(library(), Speaker("You can join after the start date [1].")), "Can I join after the start?")
    assert heard.verdicts == {1: "found"}
    assert heard.answer.citations[0].quote == "You can join after the start date."


class Counting(Speaker):
    """A model that knows its own tokens: a word is one."""

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def test_passages_are_counted_by_the_model_where_it_can() -> None:
    """By the estimate, 64 tokens are some 220 characters."""
    words = document("Joining is free for all who want to. " * 7, "words")
    for llm, whole in ((Speaker(GOOD), False), (Layer(Counting(GOOD)), True)):
        ask(assistant(Library(words), llm, passage_tokens=64), "Is joining free?")
        speaker = llm.inner if isinstance(llm, Layer) else llm
        assert isinstance(speaker, Speaker)
        prompt = speaker.requests[0].messages[-1].content
        assert (prompt.count("Joining is free") == 7) is whole


def test_a_made_up_answer_gives_way_to_quotes() -> None:
    invented = 'It costs 500 dollars [1].\nQUOTES\n[1] "The fee of the course is 500 dollars."'
    heard = ask(assistant(library(), Speaker(invented)), "Can I join after the start?")
    assert heard.answer.outcome == "no_answer"
    assert "unsupported" in heard.answer.flags
    assert "500" not in heard.answer.text
    assert {citation.verdict for citation in heard.answer.citations} == {"found"}


def test_a_made_up_answer_can_be_shown_with_a_flag() -> None:
    invented = 'It costs 500 dollars [1].\nQUOTES\n[1] "The fee of the course is 500 dollars."'
    heard = ask(assistant(library(), Speaker(invented), unsupported="flag"), "Can I join after the start?")
    assert heard.answer.flags == ("unsupported",)
    assert heard.verdicts == {1: "absent"}


def test_a_quote_from_another_passage_is_misattributed() -> None:
    wrong = 'Joining is possible [1].\nQUOTES\n[1] "No payment is needed for anything."'
    heard = ask(assistant(library(), Speaker(wrong), unsupported="flag"), "Can I join after the start date?")
    assert heard.verdicts == {1: "misattributed"}


def test_citations_of_what_was_not_retrieved_vanish() -> None:
    reply = 'You can join later [1][7] [source: wiki] 【9†x】.\nQUOTES\n[1] "You can join after the start date."'
    heard = ask(assistant(library(), Speaker(reply)), "Can I join after the start?")
    assert heard.answer.text == "You can join later [1]."
    assert {citation.number for citation in heard.answer.citations} == {1}


def test_a_model_that_refuses_is_no_answer() -> None:
    heard = ask(assistant(library(), Speaker("NO ANSWER")), "Can I join after the start?")
    assert heard.answer.outcome == "no_answer"
    assert "NO ANSWER" not in heard.streamed


@pytest.mark.parametrize("unsupported", ["refuse", "flag"])
@pytest.mark.parametrize("said", ["", " \n", 'QUOTES\n[1] "You can join later."'])
def test_a_model_that_says_nothing_has_not_said_that_the_sources_do_not_answer(said: str, unsupported: str) -> None:
    heard = ask(assistant(library(), Speaker(said), unsupported=unsupported), "Can I join after the start?")
    assert "unsupported" in heard.answer.flags
    assert "could not be verified" in heard.answer.text
    assert set(heard.verdicts.values()) == {"found"}


def test_the_caller_may_ask_for_quotes_and_only_for_models_that_there_are() -> None:
    answerer = assistant(library(), Speaker(GOOD))
    assert list(answerer.models()) == ["speaker", "extractive"]
    assert ask(answerer, "Can I join after the start?", llm="extractive").answer.versions.llm == ""
    with pytest.raises(UsageError, match="speaker, extractive"):
        ask(answerer, "Can I join?", llm="gpt-9")
    with pytest.raises(UsageError, match="empty"):
        ask(answerer, " \n ")


def test_filter_and_access_reach_the_search() -> None:
    answerer = assistant(Library(COURSE, PAY, OTHER))
    question = Question(text="What is the secret budget of the board?", access=Access(tenants=("board",)))
    assert "7 million" in Heard(asyncio.run(events_of(answerer, question))).answer.text
    outside = ask(answerer, "What is the secret budget of the board?", access=Access(tenants=("others",)))
    assert outside.answer.outcome == "no_answer"
    assert "million" not in outside.answer.model_dump_json()
    nowhere = ask(answerer, "Can I join after the start?", filter=Eq(field="source", value="none"))
    assert nowhere.answer.citations == ()


# Some are held back while it is not known what follows them.
MANY_WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen "


class Failing(Speaker):
    """Fails, before its first piece or after some."""

    def __init__(self, error: Exception, after: str = "") -> None:
        super().__init__(after, name="failing")
        self.error = error

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        for word in self._reply(request).split():
            yield Delta(word + " ")
        raise self.error


def test_a_model_that_fails_at_once_is_stood_in_for() -> None:
    for error in (BackendError("no such host", transient=True), BudgetExceeded("the budget is spent")):
        heard = ask(assistant(library(), Failing(error)), "Can I join after the start?")
        assert heard.answer.outcome == "answered"
        assert heard.answer.flags == ("llm_failed",)
        assert heard.answer.versions.llm == ""


def test_an_answer_names_the_model_that_gave_it() -> None:
    spare = Speaker(GOOD, name="spare")
    answerer = assistant(library(), Fallback(Failing(BackendError("down")), [spare]))
    assert ask(answerer, "Can I join after the start?").answer.versions.llm == "spare"
    answerer = assistant(library(), Fallback(Failing(BackendError("down"), MANY_WORDS), [spare]))
    assert ask(answerer, "Can I join after the start?", whole=True).answer.versions.llm == "spare"


def test_a_model_that_fails_midway_breaks_the_answer() -> None:
    words = MANY_WORDS
    heard = ask(assistant(library(), Failing(BackendError("connection lost"), words)), "Can I join?")
    assert heard.broken is not None
    assert heard.broken.reason == "llm_failed"
    strict = assistant(library(), Failing(BudgetExceeded("spent")), llm_failure="break")
    broken = ask(strict, "Can I join?").broken
    assert broken is not None
    assert broken.reason == "budget"
    whole = ask(assistant(library(), Failing(BackendError("lost"), words)), "Can I join after the start?", whole=True)
    assert (whole.answer.outcome, whole.answer.flags) == ("answered", ("llm_failed",))
    assert whole.streamed == whole.answer.text
    strict = assistant(library(), Failing(BackendError("lost"), words), llm_failure="break")
    broken = ask(strict, "Can I join?", whole=True).broken
    assert broken is not None
    assert broken.reason == "llm_failed"


def test_a_stream_without_an_end_is_a_failure() -> None:
    class Endless(Speaker):
        async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
            yield Delta("It ")

    assert ask(assistant(library(), Endless("x")), "Can I join?").answer.flags == ("llm_failed",)


class Hanging(Speaker):
    """Says a few words, or nothing, and then nothing for ever."""

    def __init__(self, words: str = "") -> None:
        super().__init__("", name="hanging")
        self.words = words
        self.left = False

    async def complete(self, request: LlmRequest) -> Completion:
        await asyncio.sleep(3_600)
        raise AssertionError("nobody waits for so long")

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        try:
            yield Delta(self.words)
            await asyncio.sleep(3_600)
            yield Delta("never")
        finally:
            self.left = True


def test_the_deadline_is_kept_and_the_model_let_go() -> None:
    for llm, more in ((Hanging(), {"llm_failure": "break"}), (Hanging(MANY_WORDS), {})):
        heard = ask(assistant(library(), llm, timeout=0.2, **more), "Can I join?")
        assert heard.broken is not None
        assert heard.broken.reason == "timeout"
        assert heard.sources is not None
        assert heard.broken.answer_id == heard.sources.answer_id
        assert llm.left


@pytest.mark.parametrize(("words", "whole"), [("", False), (MANY_WORDS, True)])
def test_quotes_stand_in_for_a_model_that_is_too_slow_if_nothing_of_it_was_read(words: str, whole: bool) -> None:
    llm, history = Hanging(words), [Message(role="user", content="Hello"), Message(role="assistant", content="Hello.")]
    question = Question(text="Can I join after the start?", history=tuple(history), whole=whole)
    heard = ask(assistant(library(), llm, timeout=2.0), question)
    assert (heard.answer.outcome, heard.answer.flags) == ("answered", ("llm_failed",))
    assert heard.streamed == heard.answer.text
    assert llm.left


def test_closing_the_answer_cancels_the_model() -> None:
    llm = Hanging()

    async def leave() -> None:
        answer = assistant(library(), llm).answer(Question(text="Can I join?"))
        assert isinstance(await anext(answer), Sources)
        await asyncio.sleep(0.2)
        await answer.aclose()  # type: ignore[attr-defined]
        assert llm.left

    asyncio.run(leave())


def test_a_failing_index_breaks_the_answer_and_a_wrong_filter_raises() -> None:
    class Down(Library):
        error: Exception = BackendError("the store is away", transient=True)

        def search(self, *arguments: object, **more: object) -> None:  # type: ignore[override]
            raise self.error

    broken = ask(assistant(Down(COURSE)), "Can I join?").broken
    assert broken is not None
    assert (broken.reason, broken.detail) == ("unavailable", "the store is away")
    down = Down(COURSE)
    down.error = UsageError("the filter is wrong")
    with pytest.raises(UsageError, match="filter"):
        ask(assistant(down), "Can I join?")
    down.error = RuntimeError("a secret detail")
    broken = ask(assistant(down), "Can I join?").broken
    assert broken is not None
    assert (broken.reason, "secret" in broken.detail) == ("internal", False)


def test_a_follow_up_is_completed_from_the_history() -> None:
    shelves = library()
    history = (Message(role="user", content="Is the certificate free?"), Message(role="assistant", content="Yes [1]."))
    ask(assistant(shelves), Question(text="What does it need?", history=history))
    assert shelves.asked[-1] == "What does it need? certificate free"
    llm = Speaker(
        lambda request: "Does the certificate need a payment?" if len(request.messages[-1].content) < 200 else GOOD
    )
    ask(assistant(shelves, llm), Question(text="What does it need?", history=history))
    assert shelves.asked[-1] == "Does the certificate need a payment?"


def test_answers_of_a_model_are_cached_but_for_nobody_else() -> None:
    shelves, state, llm = Library(COURSE, PAY, OTHER), Shelf(), Speaker(GOOD)
    answerer = assistant(shelves, llm, state=state)
    first = ask(answerer, "Can I join after the start?")
    second = ask(answerer, "Can I join after the start?")
    assert len(llm.requests) == 1
    assert (first.answer.cached, second.answer.cached) == (False, True)
    assert second.answer.text == first.answer.text
    assert second.answer.id != first.answer.id
    assert second.answer.usage.calls == 0
    ask(answerer, "Can I join after the start?", access=Access(sources=("docs",)))
    ask(answerer, "Can I join after the start?", k=1)
    ask(answerer, "Can I join after the start??")
    assert len(llm.requests) == 4
    shelves.version = "v2"
    ask(answerer, "Can I join after the start?")
    assert len(llm.requests) == 5
    shelves.stored["course"] = document(COURSE.text + " It is fun.", "course", title="Course")
    ask(answerer, "Can I join after the start?")
    assert len(llm.requests) == 6


def test_the_receipt_names_hits_and_settings_and_belongs_to_its_owner() -> None:
    state = Shelf()
    heard = ask(assistant(library(), state=state), "Can I join after the start?", owner="ada", k=2)
    receipt = state.receipt("ada", heard.answer.id)
    assert receipt is not None
    assert heard.sources is not None
    assert receipt.hits == tuple((hit.chunk_id, hit.score) for hit in heard.sources.retrieved.hits)
    assert receipt.retrieval["asked_k"] == 2
    assert state.receipt("bob", heard.answer.id) is None


def test_the_receipt_goes_with_every_document_that_was_found_cited_or_not() -> None:
    state = Shelf()
    heard = ask(assistant(library(), Speaker(GOOD), state=state), "Can I join after the start?")
    found = {hit.document_id for hit in heard.sources.retrieved.hits} if heard.sources else set()
    assert {citation.document_id for citation in heard.answer.citations} < found
    assert state.documents[heard.answer.id] == found


def test_a_state_that_fails_costs_the_receipt_and_not_the_answer() -> None:
    class Down(Shelf):
        def keep_receipt(self, *_: object) -> None:
            raise BackendError("the disk is full")

        def cached(self, key: str) -> str | None:
            raise BackendError("the disk is full")

        def cache(self, *_: object, **__: object) -> None:
            raise BackendError("the disk is full")

    heard = ask(assistant(library(), Speaker(GOOD), state=Down()), "Can I join after the start?")
    assert heard.answer.outcome == "answered"
    assert heard.answer.flags == ("no_receipt",)


def test_a_document_that_went_meanwhile_cannot_be_cited() -> None:
    class Forgetful(Library):
        def documents(self, *_: object) -> dict:  # type: ignore[type-arg, override]
            return {}

    heard = ask(assistant(Forgetful(COURSE), Speaker(GOOD)), "Can I join after the start?")
    assert heard.answer.outcome == "no_answer"
    assert "unsupported" in heard.answer.flags
    assert not heard.answer.citations


def test_many_answers_at_once_do_not_meet() -> None:
    names = [f"thing{number}" for number in range(40)]
    shelves = Library(*(document(f"The colour of {name} is shade {name}x.", name) for name in names))
    answerer = assistant(shelves)

    async def all_of_them() -> list[Heard]:
        questions = [Question(text=f"What is the colour of {name}?", k=1) for name in names]
        return [Heard(events) for events in await asyncio.gather(*(events_of(answerer, one) for one in questions))]

    for name, heard in zip(names, asyncio.run(all_of_them()), strict=True):
        assert f"{name}x" in heard.answer.text
        assert isinstance(heard.events[-1], Finished)
        assert not any(isinstance(event, Broken) for event in heard.events)


def test_a_model_whose_key_is_refused_is_its_owners_mistake_and_not_the_askers() -> None:
    def refuse(_: LlmRequest) -> str:
        raise UsageError("model 'speaker': the key was refused; check `api_key`")

    heard = ask(assistant(library(), Speaker(refuse)), "Can I join after the start?")
    assert heard.answer.outcome == "answered"
    assert "llm_failed" in heard.answer.flags
    heard = ask(assistant(library(), Speaker(refuse), llm_failure="break"), "Can I join after the start?")
    assert heard.broken is not None
    assert heard.broken.reason == "llm_failed"
