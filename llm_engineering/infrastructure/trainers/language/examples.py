"""Rows into token ids, with the template that the model is served with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from loguru import logger

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.infrastructure.llms.templates import ChatTemplate


@dataclass(frozen=True)
class Example:
    """A prompt with its answers as token ids: one answer of an instruction; of a preference the better one first.

    `id` and `cluster` are those of the row.
    """

    id: str
    cluster: str
    prompt: list[int]
    answers: tuple[list[int], ...]

    @property
    def length(self) -> int:
        """Tokens of the prompt with the longest answer."""
        return len(self.prompt) + max(map(len, self.answers))


Row = TypeVar("Row", Instruction, Preference)
Make = Callable[[Row, ChatTemplate], Example]


def instruction_example(row: Instruction, template: ChatTemplate) -> Example:
    """Return an instruction as token ids."""
    _check(row.id, instruction=row.instruction, answer=row.answer)
    prompt, answer = template.example_ids(row.instruction, row.answer)
    return Example(row.id, row.cluster or row.id, prompt, (answer,))


def preference_example(row: Preference, template: ChatTemplate) -> Example:
    """Return a preference as token ids."""
    _check(row.id, instruction=row.instruction, chosen=row.chosen, rejected=row.rejected)
    if row.chosen.strip() == row.rejected.strip():
        raise UsageError(f"row {row.id!r} prefers an answer to itself; make the data set again, its gate refuses that")
    prompt, chosen = template.example_ids(row.instruction, row.chosen)
    _, rejected = template.example_ids(row.instruction, row.rejected)
    return Example(row.id, row.cluster or row.id, prompt, (chosen, rejected))


def examples_of(
    rows: Sequence[Row], make: "Make[Row]", template: ChatTemplate, longest: int, reference: str
) -> tuple[list[Example], int]:
    """Return rows as token ids, and how many are left out.

    Left out are rows that are too long, since an answer cut short teaches no end, and rows whose texts spell control
    tokens of the model, which would end or begin a turn in the middle of one.

    Raises:
        UsageError: none is left.
    """
    clean = [row for row in rows if not spells_controls(row, template)]
    if rows and not clean:
        raise UsageError(
            f"all {len(rows)} rows of data set {reference} spell control tokens of the model in their text"
        )
    every = [make(row, template) for row in clean]
    kept = [example for example in every if example.length <= longest]
    if every and not kept:
        raise UsageError(
            f"all {len(every)} rows of data set {reference} are longer than {longest:,} tokens (the shortest has "
            f"{min(example.length for example in every):,}); set max_tokens higher, or begin with another model"
        )
    if left := len(rows) - len(kept):
        logger.warning(
            "{} of {} rows of {} are left out: longer than {} tokens, or with control tokens in their text",
            left, len(rows), reference, longest,
        )  # fmt: skip
    return kept, left


def spells_controls(row: Instruction | Preference, template: ChatTemplate) -> bool:
    """Tell whether a text of a row spells a token that the model takes for more than text."""
    texts = [row.instruction, *([row.answer] if isinstance(row, Instruction) else [row.chosen, row.rejected])]
    return any(token in text for token in template.tokenizer.all_special_tokens for text in texts)


def _check(id: str, **texts: str) -> None:
    for name, text in texts.items():
        if not text.strip():
            raise UsageError(f"row {id!r} has no {name}; make the data set again")
