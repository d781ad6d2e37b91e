"""Held-out rows read by two language models, so that they can be compared row by row."""

import gc
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.domain.training import HeldText
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders.encoder import chosen_device
from llm_engineering.infrastructure.llms.templates import ChatTemplate, check_template
from llm_engineering.infrastructure.registries import FileRegistry
from llm_engineering.infrastructure.trainers.gpt.export import load
from llm_engineering.infrastructure.trainers.gpt.trigrams import Trigrams
from llm_engineering.infrastructure.trainers.gpt.vocabulary import END, documents_to_ids
from llm_engineering.infrastructure.trainers.language.examples import Example, instruction_example, preference_example
from llm_engineering.infrastructure.trainers.language.loading import Base, find_base, load_base, window
from llm_engineering.infrastructure.trainers.language.measuring import Floats, Likelihoods, likelihoods, mean_figure
from llm_engineering.infrastructure.trainers.language.sft import SftTrainer

BUDGET = 8_192
TRIGRAM_TOKENS = 2_000_000  # more are counted in gigabytes
Row = Instruction | Preference


@dataclass(frozen=True)
class Judged:
    """What one model makes of the rows: a value for each (n), of which more is better."""

    weights: str
    values: Floats
    figure: Estimate
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class BothJudged:
    """The same rows read by two models. `left_out` were too long for one of them."""

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    before: Judged
    after: Judged
    left_out: int


@dataclass(frozen=True)
class _Side:
    weights: str
    examples: dict[str, Example]
    found: dict[str, Floats]
    milliseconds: float


def judge_rows(before: str, after: str, rows: Sequence[Row], home: Path) -> BothJudged:
    """Read rows with two models, one after the other, each with its own template.

    An instruction's value is the log-likelihood of its answer per byte, which models with other vocabularies have in
    common; a preference's is 1 where the better answer is likelier per byte, 0 where it is not, ½ for a tie.

    Raises:
        UsageError: a model cannot be loaded, or no row is short enough for both.
    """
    sides = [_read(name, rows, home) for name in (before, after)]
    kept = [row for row in rows if all(row.id in side.found for side in sides)]
    if not kept:
        raise UsageError(f"none of {len(rows)} held-out rows is short enough for both models")
    clusters = tuple(row.cluster or row.id for row in kept)
    first, second = (_judged(side, kept, clusters) for side in sides)
    return BothJudged(tuple(row.id for row in kept), clusters, first, second, len(rows) - len(kept))


def judge_texts(
    before: str | None, after: str, texts: Sequence[HeldText], learnt: Sequence[str], home: Path
) -> BothJudged:
    """Read whole texts with two models. Without the first one, it is trigrams of the texts that were `learnt` from, or,
    without these, a model that finds all tokens of the second one's vocabulary equally likely.

    A text's value is its log-likelihood per byte. A model that cannot read it at once reads it in windows that overlap
    by half.

    Raises:
        UsageError: a model cannot be loaded, or no text is left that spells no control token of it.
    """
    second = _read_texts(after, texts, home)
    first = _read_texts(before, texts, home) if before else _count_texts(after, texts, learnt, home)
    kept = [one for one in texts if one.id in first.found and one.id in second.found]
    if not kept:
        raise UsageError(f"all of {len(texts)} held-out texts spell control tokens of a model")
    clusters = tuple(one.cluster for one in kept)

    def judged(side: _Side) -> Judged:
        values = np.array([float(side.found[one.id][0]) / len(one.text.encode()) for one in kept])
        took = round(side.milliseconds, 3)
        return Judged(side.weights, values, mean_figure(values, clusters), took, took)

    return BothJudged(tuple(one.id for one in kept), clusters, judged(first), judged(second), len(texts) - len(kept))


def _read_texts(name: str, texts: Sequence[HeldText], home: Path) -> _Side:
    base = found_model(name, None, home)
    device = chosen_device("auto")
    model, tokenizer = load_base(base, "bf16" if device == "cuda" else "fp32", device)
    width, began = window(model, None, name), time.perf_counter()
    found: dict[str, Floats] = {}
    for one in texts:
        if any(token in one.text for token in tokenizer.all_special_tokens):
            continue
        parts = _windows(one, tokenizer, width)
        found[one.id] = np.array([likelihoods(model, parts, BUDGET).sums.sum()])
    seconds = time.perf_counter() - began
    del model
    gc.collect()
    return _Side(base.digest, {}, found, 1_000 * seconds / max(1, len(found)))


def _windows(one: HeldText, tokenizer: Any, width: int) -> list[Example]:
    """Return a text as examples: each has the last half window as its prompt, and what comes next as its answer."""
    end = tokenizer.eos_token_id
    begin = end if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    ids = [begin, *tokenizer(one.text, add_special_tokens=False, verbose=False)["input_ids"], end]
    found, place = [], 1
    while place < len(ids):
        first = max(0, place - max(1, width // 2)) if place > 1 else 0
        until = min(len(ids), first + width)
        found.append(Example(one.id, one.cluster, ids[first:place], (ids[place:until],)))
        place = until
    return found


def _count_texts(model: str, texts: Sequence[HeldText], learnt: Sequence[str], home: Path) -> _Side:
    """Count the texts that a GPT of this project learnt from, with its vocabulary, and let the counts read others."""
    _, vocabulary = load(found_model(model, None, home).folder)
    read = {one.id: [END, *documents_to_ids(vocabulary, [one.text])] for one in texts}
    if not learnt:
        found = {name: np.array([-math.log(vocabulary.size) * (len(ids) - 1)]) for name, ids in read.items()}
        return _Side(digest(["untrained", vocabulary.size]), {}, found, 0.0)
    rows, tokens = [], 0
    for text in learnt:
        if tokens > TRIGRAM_TOKENS:
            logger.info("the trigrams are counted in the first {:,} tokens", tokens)
            break
        rows.append(documents_to_ids(vocabulary, [text]))
        tokens += len(rows[-1])
    began, trigrams = time.perf_counter(), Trigrams.of(rows, vocabulary.size)
    found = {name: np.array([trigrams.log_likelihood(ids)]) for name, ids in read.items()}
    seconds = time.perf_counter() - began
    weights = digest([trigrams.discounts, [vocabulary.described(), *learnt]])
    return _Side(weights, {}, found, 1_000 * seconds / max(1, len(texts)))


def found_model(name: str, revision: str | None, home: Path) -> Base:
    """Find a model that is to be judged; one of the registry has the template that it was trained with.

    Raises:
        UsageError: it is not here, is no language model, its files were changed, or its template is another one.
    """
    base = find_base(SftTrainer(base=name, revision=revision), home)
    if name.startswith("registry:") and (template := FileRegistry(home).find(name).template):
        check_template(base.folder, template, name)
    return base


def template_digest(base: Base) -> str:
    """Return the SHA-256 of the template that a model is asked with."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base.folder, trust_remote_code=False, local_files_only=True)
    return ChatTemplate.of(tokenizer).digest


def _read(name: str, rows: Sequence[Row], home: Path) -> _Side:
    base = found_model(name, None, home)
    device = chosen_device("auto")
    model, tokenizer = load_base(base, "bf16" if device == "cuda" else "fp32", device)
    template, longest = ChatTemplate.of(tokenizer), window(model, None, name)
    examples = {row.id: one for row in rows if (one := _example(row, template)).length <= longest}
    began = time.perf_counter()
    found: Likelihoods = likelihoods(model, list(examples.values()), BUDGET)
    seconds = time.perf_counter() - began
    del model
    gc.collect()
    sums = dict(zip(examples, found.sums, strict=True))
    return _Side(base.digest, examples, sums, 1_000 * seconds / max(1, len(examples)))


def _example(row: Row, template: ChatTemplate) -> Example:
    return preference_example(row, template) if isinstance(row, Preference) else instruction_example(row, template)


def _judged(side: _Side, rows: Sequence[Row], clusters: Sequence[str]) -> Judged:
    values = np.array([_value(row, side.found[row.id]) for row in rows])
    figure = mean_figure(values, clusters)
    return Judged(side.weights, values, figure, round(side.milliseconds, 3), round(side.milliseconds, 3))


def _value(row: Row, sums: Any) -> float:
    if isinstance(row, Instruction):
        return float(sums[0]) / len(row.answer.encode())
    better, worse = sums[0] / len(row.chosen.encode()), sums[1] / len(row.rejected.encode())
    return 0.5 if better == worse else float(better > worse)
