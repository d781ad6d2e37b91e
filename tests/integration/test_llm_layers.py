"""The layers around a model: retries, fallback, pace, budget, cache, structured answers, recordings."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_server import TEXT, LlmServer

from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.llms import open_llms
from llm_engineering.domain.errors import BackendError, BudgetExceeded, UsageError
from llm_engineering.domain.llms import Completion, Delta, LlmCard, LlmRequest, Message, Usage
from llm_engineering.domain.ports import Llm
from llm_engineering.infrastructure.llms import Anthropic, Budget, CallLimits, LlmSpec, OpenAI, Price, Replay, Scripted
from llm_engineering.infrastructure.llms.budget import Account, Budgeted
from llm_engineering.infrastructure.llms.caching import Cached, Memory
from llm_engineering.infrastructure.llms.pace import Pace
from llm_engineering.infrastructure.llms.structured import Check
from llm_engineering.infrastructure.llms.thoughts import Speech, spoken
from llm_engineering.infrastructure.state import MemoryState

T = TypeVar("T")
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "score": {"type": "integer", "minimum": 0}},
    "required": ["answer", "score"],
    "additionalProperties": False,
}
GOOD = '{"answer": "yes", "score": 1}'
QUICK = CallLimits(retries=0, timeout=30)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LlmServer]:
    for proxy in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    with LlmServer() as running:
        yield running


def openai(server: LlmServer, model: str, **settings: Any) -> OpenAI:
    return OpenAI(model=model, base_url=f"{server.url}/v1", **{"limits": QUICK, **settings})


def asked(text: str = "hello", **more: Any) -> LlmRequest:
    return LlmRequest(messages=(Message(role="user", content=text),), **{"max_tokens": 32, **more})


def using(specs: list[LlmSpec], work: Callable[[Llm], Awaitable[T]], state: Any = None) -> T:
    async def run() -> T:
        llms = open_llms(specs, state, Workspace())
        try:
            return await work(llms[specs[0].name])
        finally:
            for llm in llms.values():
                await llm.close()

    return asyncio.run(run())


async def events(llm: Llm, request: LlmRequest) -> list[Delta | Completion]:
    return [event async for event in llm.stream(request)]


class Stub:
    """A model that takes `seconds`, counts its calls, and says that it took `usage`."""

    def __init__(self, usage: Usage | None = None, seconds: float = 0.0, fails: bool = False) -> None:
        self.card = LlmCard(name="stub", provider="stub", input_price=1.0, output_price=2.0)
        self.usage = usage
        self.seconds = seconds
        self.fails = fails
        self.calls: list[LlmRequest] = []
        self.used_tokens = 0

    async def complete(self, request: LlmRequest) -> Completion:
        self.calls.append(request)
        await asyncio.sleep(self.seconds)
        usage = self.usage or Usage(calls=1, input_tokens=random.randint(1, 6), output_tokens=request.max_tokens)
        self.used_tokens += usage.input_tokens + usage.output_tokens
        if self.fails:
            raise BackendError("it broke", transient=True)
        return Completion(text="said", model="stub", usage=usage)

    async def stream(self, request: LlmRequest) -> Any:
        completion = await self.complete(request)
        yield Delta("sa")
        yield Delta("id")
        yield completion

    async def close(self) -> None:
        """Nothing is open."""


class TestRetries:
    @pytest.mark.parametrize("how", ["complete", "stream"])
    def test_a_passing_failure_is_tried_again(self, server: LlmServer, how: str) -> None:
        server.failures = 2

        async def ask(llm: Llm) -> Completion:
            if how == "complete":
                return await llm.complete(asked())
            last = (await events(llm, asked()))[-1]
            assert isinstance(last, Completion)
            return last

        assert using([openai(server, "flaky", limits=CallLimits(retries=2, timeout=60))], ask).text == TEXT
        assert len(server.requests) == 3

    def test_it_gives_up_after_so_many(self, server: LlmServer) -> None:
        server.failures = 9
        with pytest.raises(BackendError, match="HTTP 500"):
            using([openai(server, "flaky", limits=CallLimits(retries=1))], lambda llm: llm.complete(asked()))
        assert len(server.requests) == 2

    def test_a_failure_that_stays_is_not_tried_again(self, server: LlmServer) -> None:
        with pytest.raises(BackendError, match="HTTP 400"):
            using([openai(server, "status:400", limits=CallLimits(retries=5))], lambda llm: llm.complete(asked()))
        assert len(server.requests) == 1

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_the_server_says_when(self, server: LlmServer, form: str) -> None:
        server.failures = 1
        until = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
        server.retry_after = "2" if form == "seconds" else until
        using([openai(server, "busy", limits=CallLimits(retries=1))], lambda llm: llm.complete(asked()))
        first, second = server.requests
        assert second.at - first.at >= 1.5

    def test_it_never_waits_past_the_deadline(self, server: LlmServer) -> None:
        server.failures, server.retry_after = 1, "3600"
        begin = time.monotonic()
        with pytest.raises(BackendError, match="asks to wait") as caught:
            using([openai(server, "busy", limits=CallLimits(retries=3, timeout=20))], lambda llm: llm.complete(asked()))
        assert caught.value.retry_after == 3600
        assert time.monotonic() - begin < 15

    def test_a_stream_that_has_begun_is_not_repeated(self, server: LlmServer) -> None:
        seen: list[str] = []

        async def read(llm: Llm) -> None:
            async for event in llm.stream(asked()):
                seen.append(event.text)  # noqa: PERF401 - it raises midway, and what came before counts here

        with pytest.raises(BackendError):
            using([openai(server, "end_midway", limits=CallLimits(retries=3))], read)
        assert seen == ["begun"]
        assert len(server.requests) == 1


class TestFallback:
    @pytest.mark.parametrize("model", ["status:503", "not_json", "die"])
    def test_another_model_answers_and_says_who_it_is(self, server: LlmServer, model: str) -> None:
        specs: list[LlmSpec] = [openai(server, model, fallback=("spare",)), openai(server, "normal", name="spare")]
        assert using(specs, lambda llm: llm.complete(asked())).model == "spare"
        assert using(specs, lambda llm: events(llm, asked()))[-1].text == TEXT

    @pytest.mark.parametrize("model", ["end_midway", "error_midway"])
    def test_another_model_begins_anew_where_nobody_reads_before_the_end(self, server: LlmServer, model: str) -> None:
        specs: list[LlmSpec] = [openai(server, model, fallback=("spare",)), openai(server, "normal", name="spare")]
        [last] = using(specs, lambda llm: events(llm, asked(whole=True)))
        assert (last.text, last.model) == (TEXT, "spare")
        with pytest.raises(BackendError):
            using(specs, lambda llm: events(llm, asked()))

    def test_a_wrong_key_is_not_hidden(self, server: LlmServer) -> None:
        with pytest.raises(UsageError, match="key was refused"):
            using([openai(server, "status:401", fallback=("scripted",)), Scripted()], lambda llm: llm.complete(asked()))

    def test_a_spent_budget_goes_on_to_the_next(self) -> None:
        spent = Scripted(name="dear", budget=Budget(tokens=1), fallback=("scripted",))
        assert using([spent, Scripted(text="here")], lambda llm: llm.complete(asked())).text == "here"

    def test_when_all_fail_all_are_named(self, server: LlmServer) -> None:
        server.failures = 9
        specs: list[LlmSpec] = [openai(server, "status:400", fallback=("busy",)), openai(server, "busy")]
        with pytest.raises(BackendError, match=r"none of 2 models answered.*status:400.*busy") as caught:
            using(specs, lambda llm: llm.complete(asked()))
        assert caught.value.transient
        assert caught.value.retry_after == 1

    def test_two_models_may_fall_back_on_each_other(self, server: LlmServer) -> None:
        specs: list[LlmSpec] = [
            openai(server, "status:503", fallback=("die",)),
            openai(server, "die", fallback=("status:503",)),
        ]
        with pytest.raises(BackendError, match="none of 2"):
            using(specs, lambda llm: llm.complete(asked()))


class TestPace:
    def test_no_more_calls_at_once_than_allowed(self, server: LlmServer) -> None:
        server.seconds = 0.2
        spec = openai(server, "slow", limits=CallLimits(concurrency=3, timeout=60))

        async def ten(llm: Llm) -> None:
            await asyncio.gather(*(llm.complete(asked()) for _ in range(10)))

        using([spec], ten)
        assert server.most_running == 3

    def test_those_who_wait_too_long_are_told(self, server: LlmServer) -> None:
        spec = Scripted(limits=CallLimits(requests_per_minute=1, timeout=1, retries=0))

        async def twice(llm: Llm) -> None:
            await llm.complete(asked())
            with pytest.raises(BackendError, match="did not finish within 1 s"):
                await llm.complete(asked())

        using([spec], twice)

    @pytest.mark.parametrize(("requests", "tokens"), [(3, None), (None, 3 * 40)])
    def test_no_window_holds_more_than_allowed(self, requests: int | None, tokens: int | None) -> None:
        window, times = 0.5, []

        class Timed(Stub):
            async def complete(self, request: LlmRequest) -> Completion:
                times.append(time.monotonic())
                return await super().complete(request)

        async def run() -> None:
            pace = Pace(Timed(), requests, tokens, window=window)
            await asyncio.gather(*(pace.complete(asked()) for _ in range(9)))

        asyncio.run(run())
        assert len(times) == 9
        assert all(
            times[late] - times[early] >= window * 0.98 for early, late in zip(range(6), range(3, 9), strict=True)
        )

    def test_a_call_above_the_limit_alone_goes_in_an_empty_minute(self) -> None:
        pace = Pace(Stub(), None, 10)
        assert asyncio.run(pace.complete(asked())).text == "said"


class TestBudget:
    @settings(max_examples=40, deadline=None)
    @given(limit=st.integers(50, 5_000), calls=st.lists(st.tuples(st.integers(1, 200), st.booleans()), min_size=50))
    def test_it_is_never_passed_by_fifty_calls_at_once(self, limit: int, calls: list[tuple[int, bool]]) -> None:
        """Each call writes as much as it may, streamed or not."""
        stub = Stub()
        account = Account(Budget(tokens=limit), stub.card)
        llm = Budgeted(stub, account)
        refused = []

        async def one(most: int, is_streamed: bool) -> None:
            request = asked("x" * 6, max_tokens=most)
            try:
                await (events(llm, request) if is_streamed else llm.complete(request))
            except BudgetExceeded:
                refused.append(most)

        async def run() -> None:
            await asyncio.gather(*(one(*call) for call in calls))

        asyncio.run(run())
        assert stub.used_tokens == account.spent_tokens <= limit
        assert len(stub.calls) + len(refused) == len(calls)
        assert account._held_tokens == 0

    def test_money_is_never_passed_either(self, server: LlmServer) -> None:
        """A dollar a token written, and each call writes as many tokens as it has letters."""
        price = Price(input=0.0, output=1_000_000.0)
        spec = openai(server, "normal", price=price, budget=Budget(dollars=100), limits=CallLimits(retries=0))

        async def fifty(llm: Llm) -> list[Any]:
            calls = (llm.complete(asked(max_tokens=30)) for _ in range(50))
            return await asyncio.gather(*calls, return_exceptions=True)

        results = using([spec], fifty)
        answered = [result for result in results if isinstance(result, Completion)]
        assert all(isinstance(result, Completion | BudgetExceeded) for result in results)
        assert 1 <= len(answered) == len(server.requests)
        assert sum(result.usage.cost or 0 for result in answered) <= 100

    def test_a_call_that_might_pass_it_is_not_made(self, server: LlmServer) -> None:
        spec = openai(server, "normal", budget=Budget(tokens=500))
        with pytest.raises(BudgetExceeded, match=r"500 tokens; 0 are spent.*raise `budget.tokens`"):
            using([spec], lambda llm: llm.complete(asked(max_tokens=500)))
        assert server.requests == []

    def test_a_budget_of_money_needs_a_price(self, server: LlmServer) -> None:
        with pytest.raises(UsageError, match="its price is not known"):
            open_llms([openai(server, "normal", budget=Budget(dollars=1))], None, Workspace())

    def test_known_models_have_a_price(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key-at-all")
        for tier in ("haiku", "sonnet", "opus"):
            card = open_llms([Anthropic(tier=tier, budget=Budget(dollars=1))], None, Workspace())[f"claude-{tier}"].card
            assert card.cost(1_000, 1_000)
            assert card.context_window

    @pytest.mark.parametrize(("model", "counts"), [("hang_midway", True), ("hang", True), ("status:503", False)])
    def test_a_call_that_was_cut_counts_and_one_that_was_refused_does_not(
        self, server: LlmServer, model: str, counts: bool
    ) -> None:
        inner = openai(server, model).open()
        account = Account(Budget(tokens=10_000), inner.card)

        async def leave() -> None:
            async def read() -> None:
                async for _ in Budgeted(inner, account).stream(asked()):
                    pass

            with pytest.raises((TimeoutError, BackendError)):
                await asyncio.wait_for(read(), 1.5)
            await inner.close()

        asyncio.run(leave())
        assert (account.spent_tokens > 0) is counts
        assert account._held_tokens == 0

    def test_a_new_day_begins_anew_and_a_process_does_not(self) -> None:
        for per, spent in (("day", 0), ("process", 40)):
            days = iter(["2026-01-01", *["2026-01-02"] * 9])
            account = Account(Budget(tokens=1_000, per=per), Stub().card, today=lambda days=days: next(days))
            account.spent_tokens = 40
            account.settle(account.reserve(asked()), 0, 0)
            assert account.spent_tokens == spent


class TestCache:
    def test_the_same_request_is_paid_for_once(self, server: LlmServer) -> None:
        async def twice(llm: Llm) -> tuple[Completion, list[Delta | Completion]]:
            await llm.complete(asked())
            return await llm.complete(asked()), await events(llm, asked())

        again, streamed = using([openai(server, "normal", cache_seconds=60)], twice)
        assert len(server.requests) == 1
        assert again.cached
        assert again.usage == Usage()
        assert "".join(event.text for event in streamed[:-1]) == TEXT

    @pytest.mark.parametrize(
        ("model", "request_"), [("normal", {"temperature": 0.7}), ("cut", {}), ("normal", {"max_tokens": 31})]
    )
    def test_what_differs_or_may_differ_is_asked_anew(self, server: LlmServer, model: str, request_: Any) -> None:
        async def twice(llm: Llm) -> None:
            await llm.complete(asked(**request_))
            assert not (
                await llm.complete(asked(**{**request_, "max_tokens": 32} if "max_tokens" in request_ else request_))
            ).cached

        using([openai(server, model, cache_seconds=60)], twice)
        assert len(server.requests) == 2

    def test_two_models_share_a_store_but_no_completions(self, server: LlmServer) -> None:
        store = Memory()

        async def ask(llm: Llm) -> Completion:
            return await llm.complete(asked())

        using([Scripted(text="one", cache_seconds=60)], ask, store)
        assert using([Scripted(text="two", cache_seconds=60)], ask, store).text == "two"
        assert using([Scripted(text="one", cache_seconds=60)], ask, store).cached

    def test_a_completion_is_forgotten_with_the_documents_that_its_prompt_quotes(self) -> None:
        async def ask(llm: Llm) -> Completion:
            return await llm.complete(asked(documents=("d1", "d2")))

        with closing(MemoryState().open(Path())) as state:
            using([Scripted(text="one", cache_seconds=60)], ask, state)
            assert using([Scripted(text="one", cache_seconds=60)], ask, state).cached
            assert state.forget_documents(["d2"]) == 1
            assert not using([Scripted(text="one", cache_seconds=60)], ask, state).cached

    def test_what_quotes_nobody_knows_which_documents_is_not_kept(self) -> None:
        async def ask(llm: Llm) -> Completion:
            return await llm.complete(asked(documents=None))

        store = Memory()
        for _ in range(2):
            assert not using([Scripted(text="one", cache_seconds=60)], ask, store).cached

    def test_what_is_old_or_rarely_used_goes(self) -> None:
        now = [0.0]
        memory = Memory(most=2, clock=lambda: now[0])
        memory.cache("a", "1", 10)
        memory.cache("b", "2", 10)
        assert memory.cached("a") == "1"
        memory.cache("c", "3", 10)
        assert [memory.cached(key) for key in "abc"] == ["1", None, "3"]
        now[0] = 10
        assert memory.cached("a") is None

    @pytest.mark.parametrize("kept", ["{}", "nonsense", None])
    def test_a_store_that_fails_or_holds_nonsense_costs_no_answer(self, kept: str | None) -> None:
        class Broken:
            def cached(self, key: str) -> str | None:
                if kept is None:
                    raise BackendError("the store is gone")
                return kept

            def cache(self, key: str, value: str, seconds: float, documents: Collection[str] = ()) -> None:
                raise BackendError("the store is gone")

        assert asyncio.run(Cached(Stub(), Broken(), 60, "x").complete(asked())).text == "said"


class TestThoughts:
    """Servers without a parser for them leave what a model thinks in its text."""

    @pytest.mark.parametrize(
        "thought",
        ["<think>hm [1]</think>", "\n<think>\nhm\n</think>\n\n", "<THINKING> <b> </THINKING> ", "hm\n</think>\n\n"],
    )
    def test_they_are_no_part_of_what_is_said(self, server: LlmServer, thought: str) -> None:
        server.replies = [f"{thought}{TEXT}"]
        specs: list[LlmSpec] = [openai(server, "says")]
        assert using(specs, lambda llm: llm.complete(asked())).text.lstrip() == TEXT
        assert using(specs, lambda llm: events(llm, asked()))[-1].text.lstrip() == TEXT

    @pytest.mark.parametrize("size", [1, 3, 7, 100])
    @pytest.mark.parametrize("said", [f"<think>a < b</think>\n\n{TEXT}", TEXT, "<thin ice", "< 3", " x"])
    def test_a_stream_lets_none_of_them_through(self, said: str, size: int) -> None:
        speech = Speech()
        pieces = [speech.feed(said[at : at + size]) for at in range(0, len(said), size)]
        assert "".join([*pieces, speech.finish()]) == said.removeprefix("<think>a < b</think>\n\n")

    def test_of_thoughts_that_were_cut_nothing_is_left(self, server: LlmServer) -> None:
        server.replies = ["<think>I wonder"]
        *pieces, last = using([openai(server, "says")], lambda llm: events(llm, asked()))
        assert (pieces, last.text) == ([], "")

    @pytest.mark.parametrize("said", ["Put `<think>` first.\n</think>\nends it.", "It ends with </think>, always."])
    def test_text_that_speaks_of_the_tags_stays(self, said: str) -> None:
        assert spoken(said) == said


class TestStructuredAnswers:
    @pytest.mark.parametrize(
        "reply",
        [
            GOOD, f"```json\n{GOOD}\n```", f"<think>hm {{}}</think>\n{GOOD}", f"\n {GOOD} ", f"{GOOD}\nAnything else?",
            f"Sure! Here it is:\n\n```json\n{GOOD}\n```\nLet me know if you need more.",
        ],
    )  # fmt: skip
    def test_what_is_valid_comes_back_as_plain_json(self, server: LlmServer, reply: str) -> None:
        server.replies = [reply]
        completion = using([openai(server, "says")], lambda llm: llm.complete(asked(json_schema=SCHEMA)))
        assert json.loads(completion.text) == json.loads(GOOD)
        assert len(server.requests) == 1
        assert server.requests[0].body["response_format"]["type"] == "json_schema"

    @pytest.mark.parametrize(
        "reply",
        [
            "no",
            f"{GOOD} or {GOOD}",
            '{"answer": 1, "score": 1}',
            '{"answer": "x"}',
            '{"answer": "x", "score": -1}',
            "[]",
            "[" * 9_999,
        ],
    )
    def test_a_wrong_answer_is_asked_for_once_more_with_its_mistakes(self, server: LlmServer, reply: str) -> None:
        server.replies = [reply, GOOD]
        completion = using([openai(server, "says")], lambda llm: llm.complete(asked(json_schema=SCHEMA)))
        assert json.loads(completion.text) == json.loads(GOOD)
        assert completion.usage.calls == 2
        assert "not valid" in server.requests[1].body["messages"][-1]["content"]

    def test_twice_wrong_is_a_failure_without_what_was_said(self, server: LlmServer) -> None:
        server.replies = ["the-canary"]
        with pytest.raises(BackendError, match="answered twice") as caught:
            using([openai(server, "says")], lambda llm: llm.complete(asked(json_schema=SCHEMA)))
        assert "canary" not in str(caught.value)
        assert len(server.requests) == 2
        assert caught.value.usage is not None
        assert caught.value.usage.calls == 2  # it was paid for

    def test_a_server_that_takes_no_schema_is_told_in_words_from_then_on(self, server: LlmServer) -> None:
        server.replies = [GOOD]

        async def twice(llm: Llm) -> None:
            await llm.complete(asked(json_schema=SCHEMA))
            await llm.complete(asked(json_schema=SCHEMA))

        using([openai(server, "no_schema")], twice)
        assert ["response_format" in request.body for request in server.requests] == [True, False, False]
        assert '"additionalProperties": false' in server.requests[2].body["messages"][0]["content"]

    def test_a_model_without_such_a_server_is_told_in_words(self) -> None:
        completion = using([Scripted(text=GOOD)], lambda llm: llm.complete(asked(json_schema=SCHEMA)))
        assert completion.text == GOOD

    def test_a_streamed_one_comes_in_one_piece(self) -> None:
        piece, last = using([Scripted(text=GOOD)], lambda llm: events(llm, asked(json_schema=SCHEMA)))
        assert piece == Delta(GOOD)
        assert last.text == GOOD

    @pytest.mark.parametrize(
        "schema", [{"type": "nonsense"}, {"$ref": "http://127.0.0.1:9/schema.json"}, {"$ref": "#/$defs/gone"}]
    )
    def test_a_schema_that_is_none_or_leads_elsewhere_is_refused(self, schema: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match="schema"):
            Check(schema).mistakes("{}")


class TestReplay:
    def test_what_was_recorded_is_said_again_without_the_model(self, server: LlmServer, tmp_path: Path) -> None:
        file = tmp_path / "folder" / "calls.jsonl"
        recorder = Replay(file=file, mode="auto", of="normal")
        first = using([recorder, openai(server, "normal")], lambda llm: llm.complete(asked()))
        again = using([Replay(file=file, of="normal")], lambda llm: llm.complete(asked()))
        streamed = using([Replay(file=file, of="normal")], lambda llm: events(llm, asked()))
        assert first == again == streamed[-1]
        assert len(server.requests) == 1

    def test_what_is_not_recorded_fails_and_is_named_without_its_text(self, tmp_path: Path) -> None:
        with pytest.raises(
            UsageError, match=r"request [0-9a-f]{16} \(1 messages, 10 characters\) to model 'm'"
        ) as caught:
            using([Replay(file=tmp_path / "none.jsonl", of="m")], lambda llm: llm.complete(asked("the-canary")))
        assert "canary" not in str(caught.value)

    def test_recording_asks_again_and_the_last_answer_counts(self, server: LlmServer, tmp_path: Path) -> None:
        file, server.replies = tmp_path / "calls.jsonl", ["one", "two"]
        for _ in range(2):
            using(
                [Replay(file=file, mode="record", of="says"), openai(server, "says")], lambda llm: llm.complete(asked())
            )
        assert using([Replay(file=file, of="says")], lambda llm: llm.complete(asked())).text == "two"

    def test_no_secret_is_written(self, server: LlmServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        secret, key = "ghp_abcdefghijklmnop1234", "sk-proj-abcdefghijkl1234567890"
        monkeypatch.setenv("THE_KEY", key)
        file, server.replies = tmp_path / "calls.jsonl", [f"your token is {secret}"]
        specs: list[LlmSpec] = [
            Replay(file=file, mode="auto", of="says"),
            openai(server, "says", api_key="${env:THE_KEY}"),
        ]
        using(specs, lambda llm: llm.complete(asked(f"my token is {secret}, my key {key}")))
        assert secret not in file.read_text()
        assert key not in file.read_text()
        assert file.stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize("line", ["nonsense", "[]", '{"key": "a"}', '{"key": "a", "completion": {"text": 1}}'])
    def test_a_damaged_recording_is_named_with_its_line(self, tmp_path: Path, line: str) -> None:
        file = tmp_path / "calls.jsonl"
        file.write_text(f"\n{line}\n")
        with pytest.raises(UsageError, match="line 2"):
            open_llms([Replay(file=file)], None, Workspace())
