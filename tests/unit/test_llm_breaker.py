"""A model that is down is left alone for a while."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.llms import open_llms
from llm_engineering.domain.errors import BackendError, BudgetExceeded, UsageError
from llm_engineering.domain.llms import Completion, Delta, LlmCard, LlmRequest, Message
from llm_engineering.infrastructure.llms import CallLimits, OpenAI, Scripted
from llm_engineering.infrastructure.llms.breaker import Breaker

REQUEST = LlmRequest(messages=(Message(role="user", content="hello"),))
DOWN = BackendError("the server could not be reached", transient=True)


class Server:
    """A model that does what it is told next: answers, raises, or says nothing."""

    def __init__(self) -> None:
        self.card = LlmCard(name="server", provider="test")
        self.fate: Exception | str = "answer"
        self.calls = 0
        self.now = 0.0

    async def complete(self, request: LlmRequest) -> Completion:
        self.calls += 1
        if isinstance(self.fate, Exception):
            raise self.fate
        if self.fate == "hang":
            await asyncio.Event().wait()
        return Completion(text="said", model="server")

    async def stream(self, request: LlmRequest) -> AsyncGenerator[Delta | Completion]:
        if self.fate == "midway":
            self.calls += 1
            yield Delta("sa")
            raise DOWN
        completion = await self.complete(request)
        yield Delta("said")
        yield completion

    async def close(self) -> None: ...


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def breaker(server: Server) -> Breaker:
    return Breaker(server, 3, 30.0, 10.0, clock=lambda: server.now)


async def complete(breaker: Breaker) -> object:
    return await breaker.complete(REQUEST)


async def stream(breaker: Breaker) -> object:
    return [event async for event in breaker.stream(REQUEST)]


HOWS = pytest.mark.parametrize("how", [complete, stream])


def failing(breaker: Breaker, how: Callable[[Breaker], Any], times: int = 1) -> str:
    message = ""
    for _ in range(times):
        with pytest.raises(BackendError) as caught:
            asyncio.run(how(breaker))
        message = str(caught.value)
    return message


@HOWS
def test_after_so_many_failures_in_a_row_it_is_not_asked_for_a_while(
    server: Server, breaker: Breaker, how: Any
) -> None:
    server.fate = DOWN
    failing(breaker, how, times=3)
    message = failing(breaker, how, times=20)
    assert server.calls == 3
    assert "failed 3 times in a row" in message
    assert "not asked again for 30 s" in message
    assert "could not be reached" in message


@HOWS
def test_the_refusal_says_when_to_come_back(server: Server, breaker: Breaker, how: Any) -> None:
    server.fate = DOWN
    failing(breaker, how, times=3)
    server.now = 12.0
    with pytest.raises(BackendError) as caught:
        asyncio.run(how(breaker))
    assert (caught.value.transient, caught.value.retry_after) == (True, 18.0)


@HOWS
def test_then_one_call_tries_again_and_success_opens_it_to_all(server: Server, breaker: Breaker, how: Any) -> None:
    server.fate = DOWN
    failing(breaker, how, times=3)
    server.now = 31.0
    failing(breaker, how)
    assert server.calls == 4
    failing(breaker, how)
    assert server.calls == 4
    server.now, server.fate = 62.0, "answer"
    for _ in range(5):
        asyncio.run(how(breaker))
    assert server.calls == 9


def test_only_one_call_tries_at_a_time(server: Server, breaker: Breaker) -> None:
    server.fate = DOWN
    failing(breaker, complete, times=3)
    server.now, server.fate = 31.0, "hang"

    async def many() -> None:
        trial = asyncio.create_task(breaker.complete(REQUEST))
        await asyncio.sleep(0)
        for _ in range(5):
            with pytest.raises(BackendError, match="in a row"):
                await breaker.complete(REQUEST)
        trial.cancel()
        await asyncio.gather(trial, return_exceptions=True)
        server.fate = "answer"
        await breaker.complete(REQUEST)  # a trial that was cancelled is no reason to refuse the next

    asyncio.run(many())
    assert server.calls == 5


@pytest.mark.parametrize(
    "other", ["answer", BackendError("HTTP 400"), UsageError("the key was refused")], ids=["answer", "400", "401"]
)
def test_failures_count_only_in_a_row(server: Server, breaker: Breaker, other: Exception | str) -> None:
    for _ in range(4):
        server.fate = DOWN
        failing(breaker, complete, times=2)
        server.fate = other
        try:
            asyncio.run(breaker.complete(REQUEST))
        except (BackendError, UsageError) as error:
            assert error is other  # noqa: PT017 - the answer is no error
    assert server.calls == 12


def test_a_spent_budget_says_nothing_of_the_server(server: Server, breaker: Breaker) -> None:
    server.fate = DOWN
    failing(breaker, complete, times=2)
    server.fate = BudgetExceeded("spent")
    for _ in range(5):
        with pytest.raises(BudgetExceeded):
            asyncio.run(breaker.complete(REQUEST))
    server.fate = DOWN
    failing(breaker, complete)
    failing(breaker, complete)
    assert server.calls == 8


def test_a_stream_that_breaks_off_is_a_failure(server: Server, breaker: Breaker) -> None:
    server.fate = "midway"
    failing(breaker, stream, times=3)
    failing(breaker, stream, times=5)
    assert server.calls == 3


@HOWS
@pytest.mark.parametrize(("waited", "counts"), [(11.0, True), (1.0, False)])
def test_a_call_that_is_given_up_counts_if_it_waited_for_long(
    server: Server, breaker: Breaker, how: Any, waited: float, counts: bool
) -> None:
    server.fate = "hang"

    async def given_up() -> None:
        call = asyncio.create_task(how(breaker))
        await asyncio.sleep(0)
        server.now += waited
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    for _ in range(3):
        asyncio.run(given_up())
    server.fate = "answer"
    if counts:
        failing(breaker, how)
    else:
        asyncio.run(how(breaker))


def test_a_reader_who_leaves_a_stream_that_speaks_is_no_failure(server: Server, breaker: Breaker) -> None:
    async def read_one() -> None:
        events = breaker.stream(REQUEST)
        await anext(events)
        server.now += 60
        await events.aclose()  # type: ignore[attr-defined]  # a generator

    for _ in range(5):
        asyncio.run(read_one())
    assert server.calls == 5


def test_it_is_on_by_default_and_the_fallback_is_asked_at_once() -> None:
    """Nobody listens at port 9 of this machine."""
    limits = CallLimits(retries=0, timeout=30)
    specs = [
        OpenAI(model="down", base_url="http://127.0.0.1:9/v1", limits=limits, fallback=("scripted",)),
        Scripted(text="from the spare"),
    ]

    async def run() -> list[str]:
        llms = open_llms(specs, None, Workspace())
        try:
            texts = [(await llms["down"].complete(REQUEST)).text for _ in range(8)]
            alone = open_llms(specs[:1] and [specs[0].model_copy(update={"fallback": ()})], None, Workspace())["down"]
            for _ in range(limits.breaker_failures):
                with pytest.raises(BackendError, match="could not be reached"):
                    await alone.complete(REQUEST)
            with pytest.raises(BackendError, match="5 times in a row"):
                await alone.complete(REQUEST)
            await alone.close()
            return texts
        finally:
            for llm in llms.values():
                await llm.close()

    assert asyncio.run(run()) == ["from the spare"] * 8


def test_retries_do_not_open_it_within_one_call_and_do_not_wait_for_it() -> None:
    limits = CallLimits(retries=2, timeout=60, breaker_failures=1, breaker_seconds=20)
    spec = OpenAI(model="down", base_url="http://127.0.0.1:9/v1", limits=limits)

    async def run() -> list[str]:
        llm = open_llms([spec], None, Workspace())["down"]
        messages = []
        for _ in range(3):
            with pytest.raises(BackendError) as caught:
                await llm.complete(REQUEST)
            messages.append(str(caught.value))
        await llm.close()
        return messages

    first, second, third = asyncio.run(run())
    assert "in a row" not in first
    assert "4 times in a row" in second
    assert "4 times in a row" in third


def test_waiting_for_room_here_is_no_failure_there() -> None:
    limits = CallLimits(requests_per_minute=1, timeout=0.3, retries=0, breaker_failures=2, first_token_timeout=600)

    async def run() -> list[str]:
        llm = open_llms([Scripted(limits=limits)], None, Workspace())["scripted"]
        await llm.complete(REQUEST)
        messages = []
        for _ in range(4):
            with pytest.raises(BackendError) as caught:
                await llm.complete(REQUEST)
            messages.append(str(caught.value))
        return messages

    assert all("did not finish within" in message for message in asyncio.run(run()))
