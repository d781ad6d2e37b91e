"""Generation with transformers: a thread that writes, and an event loop that reads along."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.generation.streamers import TextStreamer

from llm_engineering.domain.errors import BackendError, LLMEngineeringError
from llm_engineering.domain.llms import Completion, Delta, Finish, LlmCard, LlmRequest, Usage
from llm_engineering.infrastructure.llms.failures import Refused

Say = Callable[[str], None]


@dataclass(frozen=True)
class Written:
    """What was generated: the text, how many tokens were read and written, and why it ended."""

    text: str
    read: int
    written: int
    finish: Finish


class _Saying(TextStreamer):
    """Says each finished piece, and keeps them all."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, say: Say) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._say = say
        self.pieces: list[str] = []

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:  # noqa: ARG002 - transformers' signature
        if text:
            self.pieces.append(text)
            self._say(text)


class _Cancelled(StoppingCriteria):
    """Stops before the next token once nobody reads any more."""

    def __init__(self, flag: threading.Event) -> None:
        self._flag = flag

    def __call__(self, input_ids: torch.Tensor, scores: Any, **rest: Any) -> torch.Tensor:  # noqa: ARG002 - same
        return torch.full((input_ids.shape[0],), self._flag.is_set(), device=input_ids.device, dtype=torch.bool)


class Generator:
    """A loaded model with its tokenizer. One generation at a time."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self.window: int | None = getattr(model.config, "max_position_embeddings", None)

    @classmethod
    def load(cls, folder: Path, device: str, dtype: str) -> "Generator":
        """Load a model from a folder: safetensors only, no code of the model."""
        safely: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        tokenizer = AutoTokenizer.from_pretrained(folder, **safely)
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype=dtype, **safely)
        where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        placed: PreTrainedModel = model.to(where)  # type: ignore[arg-type]  # a decorator hides its signature
        placed.train(mode=False)
        return cls(placed, tokenizer)

    def write(self, request: LlmRequest, say: Say, cancelled: threading.Event) -> Written:
        """Generate the answer to a conversation, saying each piece.

        Raises:
            Refused: the prompt leaves no room in the model's window.
        """
        prompt = self._prompt(request)  # [1, tokens]
        read = prompt.shape[1]
        room = request.max_tokens if self.window is None else min(request.max_tokens, self.window - read)
        if room < 1:
            raise Refused(
                f"the prompt has {read:,} tokens, and the model reads {self.window:,} at once; use fewer passages"
            )
        warm = (
            {"do_sample": True, "temperature": request.temperature} if request.temperature > 0 else {"do_sample": False}
        )
        streamer = _Saying(self._tokenizer, say)
        pad = self._tokenizer.pad_token_id if self._tokenizer.pad_token_id is not None else self._tokenizer.eos_token_id
        with torch.inference_mode():
            tokens = self._model.generate(  # type: ignore[operator]  # transformers types it loosely
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=room,
                streamer=streamer,
                stopping_criteria=StoppingCriteriaList([_Cancelled(cancelled)]),
                pad_token_id=pad,
                **warm,
            )
        written = tokens.shape[1] - read
        is_cut = written >= room and int(tokens[0, -1]) not in self._ends()
        return Written("".join(streamer.pieces), read, written, "length" if is_cut else "stop")

    def _prompt(self, request: LlmRequest) -> torch.Tensor:
        """Return the conversation as token ids [1, tokens]: with the model's chat template, else as plain lines."""
        turns = [message.model_dump() for message in request.messages]
        if self._tokenizer.chat_template:
            text = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            ids = self._tokenizer(text, return_tensors="pt", add_special_tokens=False)
        else:
            text = "\n".join(f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns) + "\nAssistant:"
            ids = self._tokenizer(text, return_tensors="pt")
        found: torch.Tensor = ids["input_ids"].to(self._model.device)
        return found

    def _ends(self) -> set[int]:
        ends = self._model.generation_config.eos_token_id
        return set(ends if isinstance(ends, list) else [] if ends is None else [ends])


class HuggingFaceLlm:
    """Generates in a thread of its own; the event loop is never held up."""

    def __init__(self, card: LlmCard, generator: Generator) -> None:
        self.card = card
        self._generator = generator
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"llm-{card.name}")

    async def complete(self, request: LlmRequest) -> Completion:
        events = self.stream(request)
        try:
            async for event in events:
                if isinstance(event, Completion):
                    return event
        finally:
            await events.aclose()
        raise BackendError(f"model {self.card.name!r} ended without an answer")

    async def stream(self, request: LlmRequest) -> AsyncGenerator[Delta | Completion]:
        cancelled = threading.Event()
        loop = asyncio.get_running_loop()
        said: asyncio.Queue[str | Written | Exception] = asyncio.Queue()

        def tell(event: str | Written | Exception) -> None:
            if not cancelled.is_set():
                loop.call_soon_threadsafe(said.put_nowait, event)

        self._thread.submit(self._work, request, tell, cancelled)
        try:
            while isinstance(event := await said.get(), str):
                yield Delta(event)
        finally:
            cancelled.set()
        if isinstance(event, Exception):
            raise event
        usage = Usage(
            calls=1,
            input_tokens=event.read,
            output_tokens=event.written,
            cost=self.card.cost(event.read, event.written),
        )
        yield Completion(text=event.text, model=self.card.name, usage=usage, finish=event.finish)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _work(
        self, request: LlmRequest, tell: Callable[[str | Written | Exception], None], cancelled: threading.Event
    ) -> None:
        if cancelled.is_set():
            return
        try:
            tell(self._generator.write(request, tell, cancelled))
        except LLMEngineeringError as error:
            tell(error)
        except Exception as error:  # noqa: BLE001 - it must reach the one who waits, whatever it is
            is_memory = isinstance(error, torch.OutOfMemoryError)
            what = "ran out of memory" if is_memory else f"failed in generation ({type(error).__name__})"
            tell(BackendError(f"model {self.card.name!r} {what}", transient=is_memory))
