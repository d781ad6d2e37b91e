"""The contract of every language model, then what concerns its servers."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from llm_server import TEXT, LlmServer
from loguru import logger
from tiny_llm import tiny_llm

from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.llms import open_llms
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.errors import BackendError, LLMEngineeringError, UsageError
from llm_engineering.domain.llms import Completion, Delta, LlmRequest, Message
from llm_engineering.domain.ports import Llm
from llm_engineering.infrastructure.llms import (
    Anthropic,
    Bedrock,
    CallLimits,
    HuggingFace,
    LlmSpec,
    OpenAI,
    Replay,
    Scripted,
)

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
KEY = "sk-ant-api03-not4real8but2long1enough"
PROMPT = "the-canary-of-the-prompt"
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "score": {"type": "integer", "minimum": 0}},
    "required": ["answer", "score"],
    "additionalProperties": False,
}
PATIENCE = CallLimits(retries=0, timeout=30, first_token_timeout=30, token_timeout=30)


@pytest.fixture(scope="module")
def server() -> Iterator[LlmServer]:
    with LlmServer() as running:
        yield running


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llm(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, server: LlmServer) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret-at-all")
    for proxy in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    server.requests.clear()
    server.failures = 0
    server.most_running = 0


def openai(server: LlmServer, model: str = "normal", **settings: Any) -> OpenAI:
    settings = {"limits": PATIENCE, "api_key": "${env:THE_KEY}", **settings}
    return OpenAI(model=model, base_url=f"{server.url}/v1", **settings)


def anthropic(server: LlmServer, model: str = "normal", **settings: Any) -> Anthropic:
    settings = {"limits": PATIENCE, "api_key": "${env:THE_KEY}", **settings}
    return Anthropic(model=model, base_url=server.url, **settings)


def bedrock(server: LlmServer, model: str = "normal", **settings: Any) -> Bedrock:
    settings = {"limits": PATIENCE, "region": "eu-central-1", **settings}
    return Bedrock(model=model, endpoint=server.url, **settings)


@pytest.fixture(params=["scripted", "openai", "anthropic", "bedrock", "replay", "hugging_face"])
def specs(request: pytest.FixtureRequest, server: LlmServer, tmp_path: Path) -> list[LlmSpec]:
    """The model under test comes first."""
    if request.param == "scripted":
        return [Scripted(text=TEXT)]
    if request.param == "replay":
        return [Replay(file=tmp_path / "calls.jsonl", mode="auto", of="normal"), openai(server)]
    if request.param == "hugging_face":
        return [HuggingFace(model=str(request.getfixturevalue("tiny")), name="tiny")]
    return [{"openai": openai, "anthropic": anthropic, "bedrock": bedrock}[request.param](server)]


def asked(text: str = PROMPT, **more: Any) -> LlmRequest:
    system = Message(role="system", content="Answer briefly.")
    return LlmRequest(messages=(system, Message(role="user", content=text)), **{"max_tokens": 32, **more})


def using(specs: list[LlmSpec], work: Callable[[Llm], Awaitable[T]]) -> T:
    """Open the models, work with the first, close it."""

    async def run() -> T:
        llm = open_llms(specs, None, Workspace())[specs[0].name]
        try:
            return await work(llm)
        finally:
            await llm.close()
            await llm.close()

    return asyncio.run(run())


def complete(spec: LlmSpec, request: LlmRequest | None = None) -> Completion:
    return using([spec], lambda llm: llm.complete(request or asked()))


async def events(llm: Llm, request: LlmRequest) -> list[Delta | Completion]:
    return [event async for event in llm.stream(request)]


def stream(spec: LlmSpec, request: LlmRequest | None = None) -> list[Delta | Completion]:
    return using([spec], lambda llm: events(llm, request or asked()))


class TestEveryModel:
    def test_a_completion_counts_what_it_took(self, specs: list[LlmSpec]) -> None:
        completion = using(specs, lambda llm: llm.complete(asked()))
        assert completion.usage.calls == 1
        assert completion.usage.input_tokens > 0
        assert completion.usage.output_tokens > 0
        assert completion.model == ("normal" if isinstance(specs[0], Replay) else specs[0].name)
        assert not completion.cached

    def test_the_pieces_of_a_stream_are_its_completion(self, specs: list[LlmSpec]) -> None:
        *pieces, last = using(specs, lambda llm: events(llm, asked()))
        assert isinstance(last, Completion)
        assert all(isinstance(piece, Delta) and piece.text for piece in pieces)
        assert "".join(piece.text for piece in pieces if isinstance(piece, Delta)) == last.text
        assert last.usage.output_tokens > 0

    def test_streamed_or_not_it_is_the_same_answer(self, specs: list[LlmSpec]) -> None:
        async def both(llm: Llm) -> tuple[str, str]:
            whole = await llm.complete(asked())
            last = (await events(llm, asked()))[-1]
            assert isinstance(last, Completion)
            return whole.text, last.text

        assert len(set(using(specs, both))) == 1

    def test_several_calls_run_at_once(self, specs: list[LlmSpec]) -> None:
        async def several(llm: Llm) -> list[Completion]:
            return await asyncio.gather(*(llm.complete(asked(max_tokens=4)) for _ in range(5)))

        assert len(using(specs, several)) == 5

    def test_a_stream_can_be_left_and_the_model_asked_again(self, specs: list[LlmSpec]) -> None:
        async def leave(llm: Llm) -> Completion:
            left = llm.stream(asked())
            await anext(left)
            await left.aclose()  # type: ignore[attr-defined]
            return await llm.complete(asked())

        assert using(specs, leave).usage.calls == 1

    def test_a_conversation_in_any_order_of_roles_is_taken(self, specs: list[LlmSpec]) -> None:
        turns = ("user", "one"), ("assistant", "two"), ("assistant", "three"), ("user", "four"), ("system", "Be kind.")
        messages = tuple(Message(role=role, content=text) for role, text in (*turns, ("user", "Grüße 🦜 \x00 日本")))
        request = LlmRequest(messages=messages, max_tokens=8)
        assert using(specs, lambda llm: llm.complete(request)).usage.calls == 1


NONSENSE = ["not_json", "html", "no_choices", "wrong_shape", "bad_events", "end_midway", "die", "uncounted"]


class TestServersThatFail:
    @pytest.mark.parametrize("make", [openai, anthropic, bedrock])
    @pytest.mark.parametrize("model", [*NONSENSE, "die_midway", "error_midway", "huge", "compressed", "status:503"])
    def test_a_stream_that_is_none_or_breaks_never_passes_for_an_answer(
        self, server: LlmServer, make: Callable[..., LlmSpec], model: str
    ) -> None:
        limits = CallLimits(retries=0, timeout=20, first_token_timeout=10, token_timeout=10)
        with pytest.raises(BackendError) as caught:
            stream(make(server, model, limits=limits))
        assert_discreet(caught.value)

    @pytest.mark.parametrize("make", [openai, anthropic, bedrock])
    @pytest.mark.parametrize("model", ["not_json", "no_choices", "wrong_shape", "die", "status:400", "status:500"])
    def test_an_answer_that_is_none_is_a_backend_error(
        self, server: LlmServer, make: Callable[..., LlmSpec], model: str
    ) -> None:
        with pytest.raises(BackendError) as caught:
            complete(make(server, model))
        assert_discreet(caught.value)

    @pytest.mark.parametrize("make", [openai, anthropic, bedrock])
    @pytest.mark.parametrize("model", ["status:401", "status:403", "status:404", "redirect"])
    def test_a_wrong_key_name_or_address_is_the_users_to_mend(
        self, server: LlmServer, make: Callable[..., LlmSpec], model: str
    ) -> None:
        with pytest.raises(UsageError) as caught:
            complete(make(server, model, limits=CallLimits(retries=3)))
        assert_discreet(caught.value)
        assert len(server.requests) == 1

    def test_a_redirect_is_not_followed_with_the_prompt(self, server: LlmServer) -> None:
        with pytest.raises(UsageError, match="redirects"):
            stream(openai(server, "redirect"))
        assert [request.path for request in server.requests] == ["/v1/chat/completions"]

    def test_a_server_that_is_not_there_is_a_passing_failure(self) -> None:
        with pytest.raises(BackendError, match="could not be reached") as caught:
            complete(OpenAI(model="m", base_url="http://127.0.0.1:9/v1", limits=CallLimits(retries=0)))
        assert caught.value.transient

    @pytest.mark.parametrize("make", [openai, anthropic])
    @pytest.mark.parametrize("model", ["hang", "hang_midway", "hang_silently"])
    def test_a_stream_that_falls_silent_ends_in_time_and_its_connection_with_it(
        self, server: LlmServer, make: Callable[..., LlmSpec], model: str
    ) -> None:
        limits = CallLimits(retries=0, timeout=60, first_token_timeout=1, token_timeout=1)
        begin = time.monotonic()
        with pytest.raises(BackendError, match="said nothing for 1 s") as caught:
            stream(make(server, model, limits=limits))
        assert caught.value.transient
        assert server.left(2).left_at is not None
        assert time.monotonic() - begin < 20

    @pytest.mark.parametrize("model", ["hang", "drip"])
    @pytest.mark.parametrize("how", [complete, stream])
    def test_the_deadline_ends_what_drips_or_hangs(
        self, server: LlmServer, model: str, how: Callable[[LlmSpec], object]
    ) -> None:
        begin = time.monotonic()
        with pytest.raises(BackendError, match=r"did not finish within 1\.5 s") as caught:
            how(openai(server, model, limits=CallLimits(retries=5, timeout=1.5)))
        assert caught.value.transient
        server.left(2)
        assert time.monotonic() - begin < 20

    def test_a_model_that_thinks_is_not_silent(self, server: LlmServer) -> None:
        limits = CallLimits(retries=0, timeout=30, first_token_timeout=5, token_timeout=5)
        assert [event.text for event in stream(openai(server, "thinking", limits=limits))] == ["done", "done"]

    def test_letters_that_are_cut_by_the_network_arrive_whole(self, server: LlmServer) -> None:
        *pieces, last = stream(openai(server, "split"))
        assert last.text == TEXT == "".join(piece.text for piece in pieces)

    def test_a_server_that_does_not_count_is_counted_for(self, server: LlmServer) -> None:
        usage = complete(openai(server, "uncounted")).usage
        assert usage.input_tokens > 0
        assert usage.output_tokens > 0

    @pytest.mark.parametrize("make", [openai, anthropic, bedrock])
    def test_an_answer_that_was_cut_at_the_limit_says_so(self, server: LlmServer, make: Callable[..., LlmSpec]) -> None:
        assert complete(make(server, "cut")).finish == "length"


class TestLeaving:
    @pytest.mark.parametrize("make", [openai, anthropic])
    def test_closing_the_stream_closes_the_connection(self, server: LlmServer, make: Callable[..., LlmSpec]) -> None:
        async def leave(llm: Llm) -> None:
            left = llm.stream(asked())
            assert await anext(left) == Delta("be")
            await left.aclose()  # type: ignore[attr-defined]
            await asyncio.to_thread(server.left, 2)

        using([make(server, "hang_midway")], leave)

    @pytest.mark.parametrize("model", ["hang", "drip"])
    def test_cancelling_the_task_closes_the_connection(self, server: LlmServer, model: str) -> None:
        async def cancel(llm: Llm) -> None:
            task = asyncio.ensure_future(events(llm, asked()))
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await asyncio.to_thread(server.left, 2)

        using([openai(server, model)], cancel)

    def test_a_slot_is_free_again_within_two_seconds_of_a_failure(self, server: LlmServer) -> None:
        limits = CallLimits(retries=0, concurrency=1, first_token_timeout=1, timeout=60)

        async def twice(llm: Llm) -> float:
            with pytest.raises(BackendError):
                await events(llm, asked())
            begin = time.monotonic()
            with pytest.raises(BackendError):
                await events(llm, asked())
            return time.monotonic() - begin

        assert using([openai(server, "hang", limits=limits)], twice) < 1 + 2 + 5  # and some grace for a busy machine

    def test_no_slot_is_lost_when_many_leave_or_are_cancelled(self, server: LlmServer) -> None:
        async def one(llm: Llm) -> None:
            left = llm.stream(asked())
            await anext(left)
            await left.aclose()  # type: ignore[attr-defined]

        async def many(llm: Llm) -> None:
            await asyncio.gather(*(one(llm) for _ in range(20)))
            tasks = [asyncio.ensure_future(one(llm)) for _ in range(20)]
            await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.wait_for(one(llm), 20)

        using([openai(server, "hang_midway", limits=CallLimits(concurrency=2, retries=0))], many)


class TestWhatIsSent:
    def test_the_key_of_openai_goes_to_no_other_server(
        self, server: LlmServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        complete(openai(server, api_key=""))
        assert KEY not in str(server.requests[0])

    def test_the_configured_key_is_sent_as_it_is(self, server: LlmServer) -> None:
        complete(openai(server))
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"

    def test_limits_and_temperature_reach_the_server(self, server: LlmServer) -> None:
        complete(openai(server), asked(max_tokens=77, temperature=0.5))
        body = server.requests[0].body
        assert (body["max_tokens"], body["temperature"]) == (77, 0.5)
        assert [message["role"] for message in body["messages"]] == ["system", "user"]

    def test_bedrock_gets_a_converse_request(self, server: LlmServer) -> None:
        completion = complete(bedrock(server), asked(max_tokens=77))
        request = server.requests[0]
        assert request.path == "/model/normal/converse"
        assert request.body["messages"] == [{"role": "user", "content": [{"text": PROMPT}]}]
        assert request.body["system"] == [{"text": "Answer briefly."}]
        assert request.body["inferenceConfig"] == {"maxTokens": 77, "temperature": 0.0}
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIA")
        assert completion.text == TEXT


class TestConfiguration:
    @pytest.mark.parametrize("key", ["sk-real-key-12345678", "THE_KEY", "${env:A}${env:B}"])
    def test_a_key_in_the_file_is_refused_and_not_shown(self, key: str) -> None:
        with pytest.raises(ValueError, match="must be a reference") as caught:
            OpenAI(model="m", api_key=key)
        assert "sk-real" not in str(caught.value)

    def test_a_key_that_is_not_set_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        with pytest.raises(UsageError, match="OPENAI_API_KEY"):
            complete(OpenAI(model="gpt-5-mini"))

    @pytest.mark.parametrize(
        ("spec", "module", "command"),
        [
            (Bedrock(model="m", region="eu-central-1"), "boto3", "poetry install --extras bedrock"),
            (OpenAI(model="m", base_url="http://127.0.0.1:9/v1"), "pydantic_ai.models.openai", "poetry install"),
            (HuggingFace(model="m"), "transformers", "poetry install"),
        ],
    )
    def test_a_missing_library_says_what_to_type(
        self, monkeypatch: pytest.MonkeyPatch, spec: LlmSpec, module: str, command: str
    ) -> None:
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(UsageError, match=f"type: {command}$"):
            spec.open()

    def test_reading_a_configuration_loads_no_library(self) -> None:
        code = (
            "import sys; from llm_engineering.bootstrap.llms import open_llms; from llm_engineering.config import *;"
            "found = {'pydantic_ai', 'openai', 'anthropic', 'boto3', 'torch', 'transformers', 'httpx2', 'jsonschema'};"
            "print(sorted(found & set(sys.modules)))"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
        assert ran.stdout.strip() == "[]"

    def test_tiers_are_names_of_models(self) -> None:
        tiers = [Anthropic(tier=tier) for tier in ("haiku", "sonnet", "opus")]
        assert [spec.name for spec in tiers] == ["claude-haiku", "claude-sonnet", "claude-opus"]
        assert all(tier.model_name.startswith(f"{tier.name}-") for tier in tiers)

    def test_a_tier_and_a_model_exclude_each_other(self) -> None:
        with pytest.raises(ValueError, match="exclude each other"):
            Anthropic(tier="opus", model="claude-opus-5")

    def test_the_example_of_the_documentation_is_valid(self) -> None:
        page = (ROOT / "docs/how-to-add/llm.md").read_text()
        sections = yaml.safe_load(page.partition("```yaml")[2].partition("```")[0])
        config = AssistantConfig.model_validate(sections)
        assert [spec.name for spec in config.llms][:3] == ["local", "gpt-5-mini", "claude"]
        assert config.resolved() == config

    def test_a_written_out_configuration_reads_back(self, server: LlmServer) -> None:
        for spec in (openai(server), Anthropic(tier="opus"), bedrock(server), Scripted(), HuggingFace(model="a/b")):
            assert type(spec).model_validate(spec.model_dump(mode="json")) == spec

    @pytest.mark.parametrize(
        ("specs", "message"),
        [
            ([Scripted(), Scripted()], "two models under `llms` have the name 'scripted'"),
            ([Scripted(name="extractive")], "stands for answers without a model"),
            ([Scripted(fallback=("gone",))], "refers to 'gone'"),
            ([Scripted(fallback=("scripted",))], "refers to 'scripted'"),
            ([Replay(file=Path("x"), mode="auto", of="gone")], "refers to 'gone'"),
            (
                [
                    Replay(name="a", file=Path("x"), mode="auto", of="b"),
                    Replay(name="b", file=Path("y"), mode="record", of="a"),
                ],
                "records itself",
            ),
        ],
    )
    def test_names_that_lead_nowhere_are_refused(self, specs: list[LlmSpec], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            open_llms(specs, None, Workspace())


def assert_discreet(error: LLMEngineeringError) -> None:
    """No key, prompt or completion in the error, nor in what a traceback would show."""
    said: list[str] = []
    number = logger.add(said.append, format="{message}{exception}", backtrace=False, diagnose=False)
    try:
        logger.opt(exception=error).error("failed")
    finally:
        logger.remove(number)
    for text in (str(error), repr(error), *said):
        assert PROMPT not in text
        assert KEY not in text
        assert "begun" not in text
    assert "failed" in said[0]
