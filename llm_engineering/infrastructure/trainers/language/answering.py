"""Held-out rows read and answered by a language model in this process, with its own template."""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from llm_engineering.domain.instructions import Instruction
from llm_engineering.domain.llm_evaluation import ModelAnswer
from llm_engineering.infrastructure.embedders.encoder import chosen_device
from llm_engineering.infrastructure.llms.templates import ChatTemplate
from llm_engineering.infrastructure.trainers.language.examples import Example, instruction_example, spells_controls
from llm_engineering.infrastructure.trainers.language.loading import Base, load_base, window
from llm_engineering.infrastructure.trainers.language.measuring import likelihoods

BUDGET = 8_192  # positions that are read at once


@dataclass(frozen=True)
class Writing:
    """How answers are written: tokens of one at most, how many at once, where."""

    max_tokens: int
    batch: int
    device: str


def answer_rows(base: Base, rows: Sequence[Instruction], writing: Writing) -> list[ModelAnswer]:
    """Return what a model answers to each row, greedily, and how likely it finds the data set's answer.

    A row that is too long for the model's window, or that spells control tokens of it, has no answer (`too_long`).

    Raises:
        UsageError: the model cannot be loaded, or its template refuses a row.
    """
    device = chosen_device(writing.device)
    model, tokenizer = load_base(base, "bf16" if device == "cuda" else "fp32", device)
    model.eval()
    template, longest = ChatTemplate.of(tokenizer), window(model, None, base.name)
    examples = {
        row.id: one
        for row in rows
        if not spells_controls(row, template) and (one := instruction_example(row, template)).length <= longest
    }
    found = likelihoods(model, list(examples.values()), BUDGET)
    read = {
        key: (float(sums[0]), int(tokens[0]))
        for key, sums, tokens in zip(examples, found.sums, found.tokens, strict=True)
    }
    said = _answered(model, tokenizer, examples, longest, writing)
    del model
    gc.collect()
    return [_answer(base.name, row, said.get(row.id, ("", "too_long")), read.get(row.id, (0.0, 0))) for row in rows]


def _answer(name: str, row: Instruction, said: tuple[str, str], read: tuple[float, int]) -> ModelAnswer:
    return ModelAnswer(
        model=name, id=row.id, cluster=row.cluster or row.id, document_id=row.document_id, instruction=row.instruction,
        reference=row.answer, passage=row.passage, answer=said[0], finish=said[1], log_likelihood=read[0],
        tokens=read[1],
    )  # fmt: skip


def _answered(
    model: Any, tokenizer: Any, examples: dict[str, Example], longest: int, writing: Writing
) -> dict[str, tuple[str, str]]:
    """Return text and finish by row. Prompts of a batch are about as long as each other, the longest ones first."""
    found: dict[str, tuple[str, str]] = {}
    for batch in _batches(examples, longest, writing):
        texts = _written(model, tokenizer, [examples[row].prompt for row in batch], longest, writing.max_tokens)
        found |= dict(zip(batch, texts, strict=True))
    return found


def _batches(examples: dict[str, Example], longest: int, writing: Writing) -> Iterator[list[str]]:
    ordered = sorted(examples, key=lambda row: -len(examples[row].prompt))
    # A prompt that leaves less room than an answer may take is read alone, so that it shortens no other's answer.
    alone = [row for row in ordered if len(examples[row].prompt) + writing.max_tokens > longest]
    yield from ([row] for row in alone)
    rest = ordered[len(alone) :]
    yield from (rest[start : start + writing.batch] for start in range(0, len(rest), writing.batch))


@torch.inference_mode()
def _written(
    model: Any, tokenizer: Any, prompts: Sequence[list[int]], longest: int, max_tokens: int
) -> list[tuple[str, str]]:
    """Return the greedy answer to each prompt. They are padded on the left, where no answer sees it."""
    width = max(map(len, prompts))
    room = min(max_tokens, longest - width)
    if room < 1:
        return [("", "too_long")] * len(prompts)
    pad = tokenizer.pad_token_id
    ids = torch.full((len(prompts), width), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    device = next(model.parameters()).device
    ends = _ends(model, tokenizer)
    tokens = model.generate(
        ids.to(device), attention_mask=mask.to(device), max_new_tokens=room, do_sample=False, num_beams=1,
        pad_token_id=pad, eos_token_id=ends,
    )  # fmt: skip
    return [_text(tokenizer, row, ends) for row in tokens[:, width:].tolist()]


def _text(tokenizer: Any, tokens: list[int], ends: list[int]) -> tuple[str, str]:
    """Return the text up to the first token that ends it, and whether there is one."""
    end = next((place for place, token in enumerate(tokens) if token in ends), None)
    text: str = tokenizer.decode(tokens[:end], skip_special_tokens=True)
    return text.strip(), "length" if end is None else "stop"


def _ends(model: Any, tokenizer: Any) -> list[int]:
    own = model.generation_config.eos_token_id
    found = own if isinstance(own, list) else [] if own is None else [own]
    return sorted({*found, tokenizer.eos_token_id})
