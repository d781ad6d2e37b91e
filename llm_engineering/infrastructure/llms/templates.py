"""The chat template of a model: one object that turns a conversation into token ids, in training and in serving."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from llm_engineering.domain.errors import UsageError

# What a model gets that has no template of its own: the words that a reader would write down.
PLAIN = (
    "{% if bos_token is defined and bos_token %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}{{ message.role | capitalize }}: {{ message.content }}"
    "{% if message.role == 'assistant' and eos_token is defined and eos_token %}{{ eos_token }}{% endif %}{{ '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
FILE = "chat_template.jinja"
_MARK = "what is the name of this town"
HASH = "chat_template_hash.json"  # of the template that a model was trained with, in its folder
Turns = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class ChatTemplate:
    """A template with the tokenizer that it belongs to. `is_own` is False where the model came without one."""

    tokenizer: Any
    text: str
    is_own: bool = True

    @classmethod
    def of(cls, tokenizer: Any) -> "ChatTemplate":
        """Return the template of a tokenizer, or the plain one.

        Raises:
            UsageError: it has several, and none is the default.
        """
        if not tokenizer.chat_template:
            return cls(tokenizer, PLAIN, is_own=False)
        try:
            text = tokenizer.get_chat_template()
        except ValueError as error:
            raise UsageError(
                f"the model has several chat templates, and none of them is called default: {error}. Give it "
                f"one in {FILE} of its folder"
            ) from error
        return cls(tokenizer, text)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the template."""
        return sha256(self.text.encode()).hexdigest()

    def render(self, turns: Turns, *, answers: bool) -> str:
        """Return a conversation as text; `answers` says whether the model is to go on with an answer.

        Raises:
            UsageError: the template refuses it.
        """
        try:
            found: str = self.tokenizer.apply_chat_template(
                [dict(turn) for turn in turns],
                chat_template=self.text,
                tokenize=False,
                add_generation_prompt=answers,
            )
        except Exception as error:  # what a foreign template raises can be anything
            raise UsageError(
                f"the model's chat template refuses this conversation ({type(error).__name__}): {error}"
            ) from error
        return found

    @cached_property
    def shows_what_is_said(self) -> bool:
        """Whether the words of a user reach the model at all: a template may render none of them."""
        return _MARK in self.render([{"role": "user", "content": _MARK}], answers=True)

    def prompt_ids(self, turns: Turns) -> list[int]:
        """Return the tokens after which the model is to answer."""
        return self._ids(self.render(turns, answers=True))

    def example_ids(self, instruction: str, answer: str) -> tuple[list[int], list[int]]:
        """Return the tokens of an instruction, just as they are served, and those of the answer up to its end.

        Raises:
            UsageError: the template refuses it, or shows nothing of it.
        """
        if not self.shows_what_is_said:
            raise UsageError(
                "the model's chat template does not show what a user says, so every instruction would look the same; "
                f"mend {FILE} (or chat_template in tokenizer_config.json) in its folder"
            )
        turns = [{"role": "user", "content": instruction}]
        prompt = self.render(turns, answers=True)
        whole = self.render([*turns, {"role": "assistant", "content": answer}], answers=False)
        # Some templates write a finished turn otherwise than one that is to come. What is served decides.
        rest = whole[len(prompt) :] if whole.startswith(prompt) and answer.strip() in whole[len(prompt) :] else answer
        return self._ids(prompt), self._ended(self._ids(rest))

    def _ended(self, ids: list[int]) -> list[int]:
        """Return the tokens of an answer up to the one that ends it."""
        end = self.tokenizer.eos_token_id
        last = max((place for place, token in enumerate(ids) if token == end), default=-1)
        after = self.tokenizer.decode(ids[last + 1 :]).strip() if last >= 0 else "-"
        return ids[: last + 1] if not after else [*ids, end]

    def _ids(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return found


def note_template(folder: Path, template: ChatTemplate) -> None:
    """Write the hash of a template into the folder of the model that was trained with it."""
    (folder / HASH).write_text(json.dumps({"sha256": template.digest}) + "\n", encoding="utf-8")


def note_own_template(folder: Path) -> str:
    """Write the hash of a folder's own template beside it, and return it."""
    from transformers import AutoTokenizer

    template = ChatTemplate.of(AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True))
    note_template(folder, template)
    return template.digest


def noted_template(folder: Path) -> str:
    """Return the hash of the template that the model of a folder was trained with; empty where it does not say.

    Raises:
        UsageError: the file that says so is damaged.
    """
    path = folder / HASH
    if not path.is_file():
        return ""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is damaged ({type(error).__name__}); get the files of the model again") from error


def check_template(folder: Path, expected: str, name: str) -> None:
    """Refuse a model whose template is not the one that it was trained with.

    Raises:
        UsageError: it is another one; both hashes are named.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    found = ChatTemplate.of(tokenizer).digest
    if found != expected:
        raise UsageError(
            f"model {name!r} was trained with the chat template {expected[:12]}…, and its folder holds {found[:12]}…: "
            "what it is asked would not look like what it learned. Get its files back, or train it again"
        )
