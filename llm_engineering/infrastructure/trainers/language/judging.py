"""Held-out rows read by two language models, so that they can be compared row by row."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.infrastructure.embedders.encoder import chosen_device
from llm_engineering.infrastructure.llms.templates import ChatTemplate, check_template
from llm_engineering.infrastructure.registries import FileRegistry
from llm_engineering.infrastructure.trainers.language.examples import Example, instruction_example, preference_example
from llm_engineering.infrastructure.trainers.language.loading import Base, find_base, load_base, window
from llm_engineering.infrastructure.trainers.language.measuring import Floats, Likelihoods, likelihoods, mean_figure
from llm_engineering.infrastructure.trainers.language.sft import SftTrainer

BUDGET = 8_192
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
    import time

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
