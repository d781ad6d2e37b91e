"""Models in this process: what is loaded of their folder, how they are left, how they fit their window."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from tiny_llm import tiny_llm

from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.llms import open_llms
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.llms import Completion, Delta, LlmRequest, Message
from llm_engineering.domain.ports import Llm
from llm_engineering.infrastructure.llms import CallLimits, HuggingFace, LlmSpec, OpenAI

T = TypeVar("T")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llm(tmp_path_factory.mktemp("tiny"), positions=4_096)


def asked(text: str = "hello", **more: Any) -> LlmRequest:
    return LlmRequest(messages=(Message(role="user", content=text),), **{"max_tokens": 16, **more})


def using(spec: LlmSpec, work: Callable[[Llm], Awaitable[T]]) -> T:
    async def run() -> T:
        llm = open_llms([spec], None, Workspace())[spec.name]
        try:
            return await work(llm)
        finally:
            await llm.close()

    return asyncio.run(run())


def of(folder: Path, **settings: Any) -> HuggingFace:
    return HuggingFace(model=str(folder), name="tiny", device="cpu", **settings)


def test_the_answer_ends_at_the_limit_of_tokens(tiny: Path) -> None:
    completion = using(of(tiny), lambda llm: llm.complete(asked()))
    assert (completion.finish, completion.usage.output_tokens, completion.usage.cost) == ("length", 16, 0.0)


def test_it_counts_the_tokens_of_a_text_as_it_reads_them(tiny: Path) -> None:
    async def counted(llm: Llm) -> None:
        count = getattr(llm, "count_tokens", None)
        assert count is not None
        one = (await llm.complete(asked("whale"))).usage.input_tokens
        two = (await llm.complete(asked("whale and owl " * 50))).usage.input_tokens
        assert abs((two - one) - (count("whale and owl " * 50) - count("whale"))) <= 2
        assert count("") == 0

    using(of(tiny), counted)


def test_at_temperature_zero_it_says_the_same_and_otherwise_something_else(tiny: Path) -> None:
    async def ask(llm: Llm) -> tuple[int, int]:
        cold = {(await llm.complete(asked())).text for _ in range(3)}
        warm = {(await llm.complete(asked(temperature=1.5, max_tokens=64))).text for _ in range(3)}
        return len(cold), len(warm)

    assert using(of(tiny), ask) == (1, 3)


def test_a_model_without_chat_template_is_given_plain_lines(tmp_path: Path) -> None:
    folder = tiny_llm(tmp_path, has_template=False)
    plain = len(b"User: hello\nAssistant:")
    assert using(of(folder), lambda llm: llm.complete(asked())).usage.input_tokens in (plain, plain + 1)


def test_the_window_bounds_the_answer_and_refuses_a_prompt_that_fills_it(tmp_path: Path) -> None:
    folder = tiny_llm(tmp_path, positions=64)

    async def ask(llm: Llm) -> Completion:
        with pytest.raises(BackendError, match=r"the prompt has \d+ tokens, and the model reads 64 at once") as caught:
            await llm.complete(asked("x" * 64))
        assert not caught.value.transient
        return await llm.complete(asked("x" * 20, max_tokens=1_000))

    usage = using(of(folder), ask).usage
    assert usage.input_tokens + usage.output_tokens == 64


def test_leaving_a_stream_stops_the_generation(tiny: Path) -> None:
    async def leave(llm: Llm) -> float:
        left = asyncio.ensure_future(llm.complete(asked(max_tokens=4_000)))
        await asyncio.sleep(0.5)
        left.cancel()
        begin = time.monotonic()
        await llm.complete(asked(max_tokens=1))
        return time.monotonic() - begin

    # All 4,000 tokens take half a minute and more.
    assert using(of(tiny, limits=CallLimits(concurrency=4)), leave) < 5


def test_the_event_loop_goes_on_while_it_writes(tiny: Path) -> None:
    async def watch(llm: Llm) -> int:
        beats = 0
        task = asyncio.ensure_future(llm.complete(asked(max_tokens=200)))
        while not task.done():
            beats += 1
            await asyncio.sleep(0.01)
        await task
        return beats

    assert using(of(tiny), watch) > 5


def test_the_deadline_ends_a_long_generation(tiny: Path) -> None:
    limits = CallLimits(timeout=1, retries=0, concurrency=1)
    with pytest.raises(BackendError, match="did not finish within 1 s"):
        using(of(tiny, limits=limits), lambda llm: llm.complete(asked(max_tokens=4_000)))


def test_pickled_weights_are_not_loaded(tiny: Path, tmp_path: Path) -> None:
    for path in tiny.iterdir():
        name = "pytorch_model.bin" if path.suffix == ".safetensors" else path.name
        (tmp_path / name).write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match=r"no \*\.safetensors file"):
        of(tmp_path).open()


def test_code_in_the_folder_is_never_run(tiny: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    folder = tmp_path / "model"
    folder.mkdir()
    for path in tiny.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "modeling_evil.py").write_text(f"open({str(canary)!r}, 'w')\nclass Evil: ...\nclass Config: ...\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "evil",
        "auto_map": {"AutoConfig": "modeling_evil.Config", "AutoModelForCausalLM": "modeling_evil.Evil"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="cannot be loaded as a causal language model"):
        of(folder).open()
    assert not canary.exists()


@pytest.mark.parametrize("damage", ["{", "[]", '{"model_type": "llama"}', None])
def test_a_damaged_folder_is_the_users_to_mend(tiny: Path, tmp_path: Path, damage: str | None) -> None:
    for path in tiny.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if damage is None:
        (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    else:
        (tmp_path / "config.json").write_text(damage)
    with pytest.raises(UsageError):
        of(tmp_path).open()


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"\./nowhere"):
        HuggingFace(model="./nowhere").open()


@pytest.fixture(scope="module")
def served(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `transformers serve`."""
    pytest.importorskip("accelerate", reason="transformers serve needs accelerate")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cache = tmp_path_factory.mktemp("hub")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    log = cache.parent / "serve.log"
    command = [str(Path(sys.executable).parent / "transformers"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/v1/models", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(address, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-2_000:])


@pytest.mark.slow
def test_transformers_serve_is_an_openai_server(served: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")

    async def both(llm: Llm) -> None:
        whole = await llm.complete(asked())
        assert whole.text
        assert 0 < whole.usage.output_tokens <= 16
        *pieces, last = [event async for event in llm.stream(asked())]
        assert isinstance(last, Completion)
        assert last.text == "".join(piece.text for piece in pieces if isinstance(piece, Delta))
        left = llm.stream(asked(max_tokens=2_000))
        await anext(left)
        await left.aclose()  # type: ignore[attr-defined]
        assert (await llm.complete(asked(max_tokens=1))).usage.calls == 1

    using(OpenAI(model=str(tiny), name="served", base_url=served), both)
