"""What a fine-tuning will take, in memory and time, before anything is loaded."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_engineering.domain.training import TrainingEstimate
from llm_engineering.infrastructure.trainers.language.acceleration import likely_machine
from llm_engineering.infrastructure.trainers.language.measuring import LOGITS
from llm_engineering.infrastructure.trainers.language.settings import LONGEST, LanguageTraining
from llm_engineering.infrastructure.trainers.language.shapes import Shape, shape_of

LETTERS = 4.0  # in a token, of European languages
FRAME = 16  # tokens of a chat template around instruction and answer
SHARE = 0.4  # of what a machine multiplies at best, in training
A100 = 312e12  # floating-point operations a second in bf16
BYTES = {"fp32": 4.0, "bf16": 2.0, "nf4": 0.6}  # of a weight; nf4 with its scales, and embeddings in bf16


@dataclass(frozen=True)
class Lengths:
    """How long rows are, in letters: all of them together, and the longest; `answers` is how many each has."""

    rows: int = 0
    total: int = 0
    longest: int = 0
    answers: int = 1

    @classmethod
    def of(cls, rows: Sequence[Any]) -> "Lengths":
        """Return the lengths of instructions or preferences. A preference is read with each of its answers."""
        found = []
        for row in rows:
            answers = [row.answer] if hasattr(row, "answer") else [row.chosen, row.rejected]
            found.append([len(row.instruction) + len(answer) for answer in answers])
        return cls(len(found), sum(map(sum, found)), max(map(max, found), default=0), max(map(len, found), default=1))

    def tokens(self, longest: int) -> int:
        """Return about how many tokens all rows have."""
        return min(round(self.total / LETTERS) + FRAME * self.rows * self.answers, longest * self.rows * self.answers)


def estimate(spec: LanguageTraining, train: Lengths, validation: Lengths, home: Path) -> TrainingEstimate | str:
    """Return what a training takes, or why that is not known."""
    shape = shape_of(spec.base, spec.revision, home)
    if shape is None:
        return (
            f"memory and time are not known: {spec.base!r} is not on this machine, the hub is out of reach, and its "
            "name says no size such as 8B"
        )
    device, precision = likely_machine(spec)
    kept = spec.kept_in(precision)
    trained = shape.adapters(spec.lora.rank, spec.lora.targets) if spec.lora else shape.parameters
    longest = min(spec.max_tokens or min(shape.window, LONGEST), shape.window)
    packed = getattr(spec, "packing", False)
    row = longest if packed else min(longest, round(train.longest / LETTERS * 1.3) + FRAME)
    batch = spec.batch * row * train.answers
    width = BYTES["bf16" if "bf16" in (precision, kept) or kept == "nf4" else "fp32"]
    each = shape.floats * width * batch
    absent = " (on a GPU, which is not here)" if kept == "nf4" and device != "cuda" else ""
    copies = 2.0 if precision == "bf16" and kept == "fp32" else 0.0
    return TrainingEstimate(
        model=spec.base,
        parameters=shape.parameters,
        trained=trained,
        weights=round(shape.parameters * (BYTES[kept] + copies) + (4 * trained if spec.lora else 0)),
        gradients=4 * trained,
        optimizer=8 * trained,
        logits=round(min(LOGITS, max(spec.token_budget, batch) * shape.vocabulary) * 2 * width),
        activations=round(each * shape.layers),
        activations_checkpointed=round(shape.layers * shape.width * width * batch + each),
        checkpointing=spec.gradient_checkpointing,
        tokens=train.tokens(longest) * spec.epochs,
        seconds=_seconds(spec, shape, train.tokens(longest), validation.tokens(longest), device, precision),
        available=0 if absent else _available(device),
        device=device,
        assumptions=(
            f"the size from {shape.source}",
            f"{LETTERS:g} letters in a token, {row:,} tokens in the longest row, {spec.batch} rows at once",
            f"weights in {kept}{absent}, computed in {precision}, gradients and AdamW's two moments in fp32",
            "attention that keeps no table of scores",
            f"{SHARE:.0%} of the speed of a plain matrix product",
        ),
    )


def _seconds(
    spec: LanguageTraining, shape: Shape, train: int, validation: int, device: str, precision: str
) -> dict[str, float]:
    """Return the time here and on a GPU. A parameter takes two operations a token forwards and four back."""
    passes = (4 if spec.lora else 6) + (2 if spec.gradient_checkpointing else 0)
    learned = passes * train * spec.epochs + (2 * train if spec.kind == "dpo" else 0)  # type: ignore[attr-defined]
    measured = 2 * validation * (spec.epochs * spec.evaluations + 3)
    work = float(shape.parameters) * (learned + measured)
    here, gpu = _speed(device, precision), "an A100 of 80 GB"
    return {f"this machine's {device} ({here / 1e12:.2f} TFLOP/s)": work / (SHARE * here), gpu: work / (SHARE * A100)}


def _speed(device: str, precision: str) -> float:
    """Return how many floating-point operations a second a matrix product takes here; it lasts a tenth of a second."""
    import torch

    size = 512 if device == "cpu" else 4_096
    one = torch.ones((size, size), device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        float((one @ one)[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def _available(device: str) -> int:
    """Return the memory that is there, in bytes; 0 where that is not known."""
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[1])
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
