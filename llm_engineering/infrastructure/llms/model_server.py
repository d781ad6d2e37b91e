"""A registered language model behind an address that speaks OpenAI's shape: `transformers serve`, or vLLM on a GPU."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.infrastructure.llms.hugging_face import staged
from llm_engineering.infrastructure.llms.templates import FILE, PLAIN, check_template
from llm_engineering.infrastructure.registries import FileRegistry
from llm_engineering.infrastructure.registries.resolving import meant

Engine = Literal["auto", "transformers", "vllm"]
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PATIENCE = 15.0  # seconds that a server has to end by itself


@dataclass(frozen=True)
class ServedModel:
    """A server that is to be started. `key_variable` names the environment variable with its key; empty: no key."""

    model: RegisteredModel
    host: str
    port: int
    engine: Literal["transformers", "vllm"]
    key_variable: str = ""

    @property
    def base_url(self) -> str:
        """The address of the API."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"

    @property
    def yaml(self) -> str:
        """The line with which the assistant uses it."""
        key = f", api_key: '${{env:{self.key_variable}}}'" if self.key_variable else ""
        name, model = self.model.name, self.model.reference
        return f"llms: [{{kind: openai, name: {name}, model: '{model}', base_url: '{self.base_url}'{key}}}]"


def served_model(
    reference: str, home: Path, *, host: str = "127.0.0.1", port: int = 0, engine: Engine = "auto", key: str = ""
) -> ServedModel:
    """Return the server of a model: NAME is the version in production, NAME@NUMBER that one. Nothing is started.

    Raises:
        UsageError: there is no such model, it is no language model, the port is taken, the engine is not installed, or
            it would be open to a network without a key.
    """
    model = meant(reference, "llm", home)
    chosen = _engine(engine)
    _check_door(host, chosen, key)
    return ServedModel(model, host, _free(host, port), chosen, key)


@contextmanager
def running(served: ServedModel, home: Path, seconds: float) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the server, and yield its process once it answers; at the end it is told to end, and then made to.

    It gets a folder with the verified files alone, with the chat template that the model was trained with.

    Raises:
        UsageError: a file of the model was changed, or its template is another one.
        BackendError: the server ended, or did not answer in time.
    """
    with _folder(served.model, home) as place:
        process = subprocess.Popen(  # noqa: S603 - our own command; the name is one of the registry
            _command(served), cwd=place, env=_environment(served, place), stdin=subprocess.DEVNULL, stdout=sys.stderr
        )
        try:
            _wait(served, process, seconds)
            yield process
        finally:
            _end(process)


@contextmanager
def _folder(model: RegisteredModel, home: Path) -> Iterator[Path]:
    """Yield a folder in which the model lies under its name."""
    folder = FileRegistry(home).folder(model)
    if model.template:
        check_template(folder, model.template, model.reference)
    with TemporaryDirectory(prefix="serve-", ignore_cleanup_errors=True) as place, staged(model.name, folder) as files:
        own = Path(place) / model.name
        own.mkdir()
        for path in files.iterdir():
            (own / path.name).symlink_to(path.resolve())
        if not (own / FILE).exists() and not _has_template(own):
            # A server refuses conversations to a model without one; it is asked as it is in this process.
            (own / FILE).write_text(PLAIN, encoding="utf-8")
        yield Path(place)


def _has_template(folder: Path) -> bool:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    return bool(tokenizer.chat_template)


def _command(served: ServedModel) -> list[str]:
    address = ["--host", served.host, "--port", str(served.port)]
    if served.engine == "vllm":
        name = ["--served-model-name", served.model.reference]
        return [_program("vllm"), "serve", f"./{served.model.name}", *name, *address]
    # It takes what follows an @ for a revision, which a folder has none of; so the name that it is pinned to, and that
    # requests have to give, is the reference of the version.
    return [_program("transformers"), "serve", served.model.reference, *address, "--log-level", "warning"]


def _environment(served: ServedModel, place: Path) -> dict[str, str]:
    return {
        **os.environ,
        # Nothing is fetched, and no other model can be asked for.
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(place / "hub"),
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        **({"VLLM_API_KEY": os.environ[served.key_variable]} if served.key_variable else {}),
    }


def _program(name: str) -> str:
    own = Path(sys.executable).with_name(name)
    found = str(own) if own.is_file() else shutil.which(name)
    if not found:
        raise UsageError(f"the command {name} is not installed beside {sys.executable}; pip install {name}")
    return found


def _engine(wanted: Engine) -> Literal["transformers", "vllm"]:
    installed = find_spec("vllm") is not None
    if wanted == "vllm" and not installed:
        raise UsageError("vLLM is not installed; pip install vllm (it needs a GPU), or use --engine transformers")
    if wanted != "auto":
        return wanted
    if not installed:
        return "transformers"
    import torch

    return "vllm" if torch.cuda.is_available() else "transformers"


def _check_door(host: str, engine: str, key: str) -> None:
    if key and engine != "vllm":
        raise UsageError("`transformers serve` knows no keys; use --engine vllm, or leave --key out")
    if key and not os.environ.get(key):
        raise UsageError(f"the environment variable {key}, which --key names, is not set")
    if host not in LOOPBACK and not key:
        raise UsageError(
            f"at {host} everybody on the network could use the model: give --key VARIABLE with --engine vllm, or stay "
            "at 127.0.0.1 and let the assistant (`poetry poe serve`, which has keys) stand before it"
        )


def _free(host: str, port: int) -> int:
    """Return the port, if it is free; for 0 one that is.

    Raises:
        UsageError: it is taken, or there is no such address here.
    """
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as free:
            return int(free.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise UsageError(f"cannot listen at {host}:{port}: {error}; choose another --port (0: any free one)") from error


def _wait(served: ServedModel, process: "subprocess.Popen[bytes]", seconds: float) -> None:
    import httpx

    end = time.monotonic() + seconds
    health = served.base_url.removesuffix("/v1") + "/health"
    while time.monotonic() < end:
        if (code := process.poll()) is not None:
            raise BackendError(
                f"the server of {served.model.reference} ended with exit code {code} before it answered; what it said "
                "is above"
            )
        try:
            if httpx.get(health, trust_env=False, timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise BackendError(
        f"the server of {served.model.reference} did not answer within {seconds:g} s; give it longer with --wait"
    )


def _end(process: "subprocess.Popen[bytes]", patience: float = _PATIENCE) -> None:
    for stop in (process.terminate, process.kill):
        if process.poll() is None:
            stop()
            _waited(process.wait, patience)


def _waited(wait: Callable[..., int], seconds: float) -> None:
    try:
        wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return
