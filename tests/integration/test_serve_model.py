"""A registered model behind an address, started as a user does, and asked through the assistant."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from command_lines import ROOT, config_file, tool
from tiny_llm import tiny_llm

from llm_engineering import plain
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.training import open_registry
from llm_engineering.config import AssistantConfig, FeatureConfig, read_config
from llm_engineering.domain.answers import Question
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import RegisteredModel, Stage
from llm_engineering.infrastructure.llms.model_server import served_model
from llm_engineering.promotions import import_model
from llm_engineering.stages.answering import ask


@pytest.fixture
def registered(home: Path, tmp_path: Path) -> RegisteredModel:
    home.mkdir(exist_ok=True)
    return import_model(str(tiny_llm(tmp_path / "tiny", positions=8_192)), "assistant", "llm")


@contextmanager
def serving(home: Path, *arguments: str) -> Iterator[list[str]]:
    """Yield the lines that it prints once it is ready; at the end it must stop in good order."""
    command = [sys.executable, "-m", "tools.serve_model", *arguments, "--port", "0", "--wait", "300"]
    environment = {**os.environ, "LLM_ENGINEERING_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    log = home.parent / "serve.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, cwd=ROOT, env=environment | {"CUDA_VISIBLE_DEVICES": ""}, stdout=subprocess.PIPE, stderr=errors,
            text=True,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(3)]
            assert lines[2], log.read_text()[-3_000:]
            yield lines
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, log.read_text()[-3_000:]
        finally:
            process.kill()


@pytest.mark.slow
def test_the_assistant_answers_with_a_served_model_by_one_line_of_yaml(
    home: Path, tmp_path: Path, registered: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    open_registry(Workspace()).set_stage(registered, Stage.PRODUCTION)
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "tea.md").write_text("# Tea\n\nGreen tea is brewed at 80 degrees. Black tea needs boiling water.\n")
    configuration = config_file(tmp_path, f"{{kind: files, name: docs, root: {folder}}}")
    plain.feature(read_config(FeatureConfig, configuration))
    with serving(home, "assistant") as lines:
        assert "assistant@1 answers at http://127.0.0.1:" in lines[0]
        address = lines[0].split("answers at ")[1].split()[0]
        assert httpx.get(address.removesuffix("/v1") + "/health", trust_env=False).is_success
        other = httpx.post(
            f"{address}/chat/completions",
            json={"model": "someone/else", "messages": [{"role": "user", "content": "hi"}]},
            trust_env=False,
            timeout=60,
        )
        assert other.status_code == 400  # no other model is fetched or loaded
        configuration.write_text(configuration.read_text() + lines[2])
        config = read_config(AssistantConfig, configuration, ["answering.max_tokens=24"])
        finished = ask(config, Question(text="At how many degrees is green tea brewed?"))
        # What a model of random weights says is not taken for an answer; that it was asked is known.
        assert finished.answer.usage.calls >= 1, finished.answer
        assert finished.answer.usage.output_tokens > 0
        assert "llm_failed" not in finished.answer.flags
        port = int(address.rpartition(":")[2].removesuffix("/v1"))
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_what_cannot_be_served_is_refused_before_anything_starts(home: Path, registered: RegisteredModel) -> None:
    with pytest.raises(UsageError, match="no version of model 'assistant' is in production"):
        served_model("assistant", home)
    assert served_model("assistant@1", home).yaml.startswith(
        "llms: [{kind: openai, name: assistant, model: 'assistant@1'"
    )
    with pytest.raises(UsageError, match="everybody on the network"):
        served_model("assistant@1", home, host="0.0.0.0")
    with pytest.raises(UsageError, match="knows no keys"):
        served_model("assistant@1", home, engine="transformers", key="HOME")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="choose another --port"):
        served_model("assistant@1", home, port=taken.getsockname()[1])


@pytest.mark.slow
def test_changed_weights_are_not_served(home: Path, registered: RegisteredModel) -> None:
    folder = open_registry(Workspace()).folder(registered)
    weights = next(folder.glob("*.safetensors"))
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    refused = tool(home, "serve_model", "assistant@1", "--port", "0")
    assert refused.code == 2
    assert "was changed since it was registered" in refused.err


@pytest.mark.slow
def test_the_harness_is_told_what_to_type_and_needs_to_be_there(
    home: Path, tmp_path: Path, registered: RegisteredModel
) -> None:
    missing = tool(home, "models", "harness", "assistant@1", "--tasks", "hellaswag")
    assert missing.code == 2
    assert 'pip install "lm-eval[hf]"' in missing.err
    # A package of this name, which stands for the real one: what is tested is the command, not the harness.
    (tmp_path / "lm_eval").mkdir()
    (tmp_path / "lm_eval" / "__init__.py").write_text("")
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    shown = tool(home, "models", "harness", "assistant@1", "--tasks", "hellaswag,arc_easy", PYTHONPATH=paths)
    assert shown.code == 0, shown.err
    assert "-m lm_eval --model hf --model_args pretrained=" in shown.out
    assert "--tasks hellaswag,arc_easy --apply_chat_template" in shown.out
    wrong = tool(home, "models", "harness", "assistant@1", "--tasks", "; rm -rf x", PYTHONPATH=paths)
    assert wrong.code == 2
    assert "names no task" in wrong.err
