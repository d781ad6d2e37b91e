"""Generation with transformers: what is loaded of a folder, and how a conversation is continued."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.generation.streamers import TextStreamer

from llm_engineering.domain.llms import Finish, LlmRequest
from llm_engineering.infrastructure.llms.failures import Refused
from llm_engineering.infrastructure.llms.templates import ChatTemplate

Say = Callable[[str], None]
# transformers types its factories loosely.
_AUTO: Any = AutoModelForCausalLM


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
        model, tokenizer = load_model(folder, dtype=dtype)
        where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        placed: PreTrainedModel = model.to(where)
        placed.train(mode=False)
        return cls(placed, tokenizer)

    def count(self, text: str) -> int:
        """Return how many tokens a text has. The model may be generating meanwhile."""
        fast = getattr(self._tokenizer, "backend_tokenizer", None)
        if fast is not None:  # the wrapper around it changes its settings, which another thread may be reading
            return len(fast.encode(text, add_special_tokens=False).ids)
        return len(self._tokenizer.encode(text, add_special_tokens=False))

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
        """Return the conversation as token ids [1, tokens], written as in training."""
        turns = [message.model_dump() for message in request.messages]
        return torch.tensor([ChatTemplate.of(self._tokenizer).prompt_ids(turns)], device=self._model.device)

    def _ends(self) -> set[int]:
        ends = self._model.generation_config.eos_token_id
        return set(ends if isinstance(ends, list) else [] if ends is None else [ends])


def load_model(folder: Path, **settings: Any) -> tuple[Any, Any]:
    """Load model and tokenizer from a folder: safetensors only, no code of the model, and no weight made up.

    Raises:
        ValueError: weights are missing or of another shape.
    """
    safely: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    _check_size(folder, AutoConfig.from_pretrained(folder, **safely))
    tokenizer = AutoTokenizer.from_pretrained(folder, **safely)
    model, found = _AUTO.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **settings, **safely)
    if missing := sorted([*found["missing_keys"], *map(str, found["mismatched_keys"])]):
        raise ValueError(f"{len(missing)} of its weights are missing or of another shape, such as {missing[0]}")
    return model, tokenizer


def _check_size(folder: Path, config: Any) -> None:
    """Refuse weights that are far fewer than the configuration wants.

    transformers would make the rest up: a damaged config.json, read as a model of seven billion weights, takes all
    memory before it fails.

    Raises:
        ValueError: says how many there are.
    """
    from safetensors import safe_open

    stored = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as weights:
            stored += sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    with torch.device("meta"):
        model = _AUTO.from_config(config, trust_remote_code=False)
    wanted = sum(weight.numel() for weight in model.parameters())
    # Quantised weights are packed, up to eight in one.
    packed = 8 if getattr(config, "quantization_config", None) else 1
    if wanted > 1.5 * packed * stored:
        raise ValueError(f"its configuration is of a model with {wanted:,} weights, and its files hold {stored:,}")
