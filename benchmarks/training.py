"""Training throughput beside the plain sentence-transformers trainer at its defaults: same rows, same steps.

    python -m benchmarks.training [--data FOLDER] [--steps N] [--batch N] [--negatives N] [--threads N]

Rows are questions about the FAQ with the entry that answers them and entries of the same section as negatives. Both
trainers read equally many rows in equally many steps. Processor seconds count as well as wall time, since other work
on the machine does not change them. The first steps of each, which load kernels, are in neither figure.
"""

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from llm_engineering.domain.datasets import RetrievalPair
from llm_engineering.domain.training import TrainingData
from llm_engineering.infrastructure.embedders.model_source import find_model
from llm_engineering.infrastructure.embedders.sentence_transformers import DEFAULT_MODEL
from llm_engineering.infrastructure.trainers import EmbedderTrainer

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "faq"


class Timed(TrainerCallback):
    """Notes wall and processor time at steps."""

    def __init__(self) -> None:
        self.times: list[tuple[int, float, float]] = []

    def note(self, step: int) -> None:
        self.times.append((step, time.perf_counter(), time.process_time()))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the library's
        self.note(state.global_step)

    @property
    def each(self) -> tuple[float, float]:
        """Wall and processor seconds of a step, from the first one that was noted to the last."""
        first, last = self.times[0], self.times[-1]
        steps = last[0] - first[0]
        return (last[1] - first[1]) / steps, (last[2] - first[2]) / steps


def main() -> int:
    """Train with both, print both and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    for name, value in (("steps", 8), ("batch", 16), ("negatives", 1), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    rows = faq_rows(given.data, given.steps * given.batch, given.negatives)
    with tempfile.TemporaryDirectory() as folder:
        plain = _plain(rows, given, Path(folder))
        ours = _ours(rows, given, Path(folder))
    for name, each in (("sentence-transformers", plain), ("this trainer", ours)):
        print(f"{name:<24}{given.batch / each[0]:8.1f} rows/s {given.batch / each[1]:8.1f} rows/CPU s")
    print(f"{'ratio':<24}{plain[0] / ours[0]:8.2f} {plain[1] / ours[1]:15.2f}")
    return 0


def faq_rows(data: Path, count: int, negatives: int) -> list[RetrievalPair]:
    """Return rows of distinct entries first, each with other entries of its section as negatives."""
    entries = json.loads((data / "documents-with-ids.json").read_text(encoding="utf-8"))
    texts = {one["id"]: f"{one['course']} {one['section']} {one['question']} {one['text']}" for one in entries}
    sections: dict[tuple[str, str], list[str]] = {}
    for one in entries:
        sections.setdefault((one["course"], one["section"]), []).append(one["id"])
    beside = {own: [other for other in ids if other != own] for ids in sections.values() for own in ids}
    with (data / "questions-dev.csv").open(encoding="utf-8", newline="") as lines:
        asked = [row for row in csv.DictReader(lines) if len(beside.get(row["document"], ())) >= negatives]
    return [_row(number, row, texts, beside[row["document"]][:negatives]) for number, row in enumerate(asked[:count])]


def _row(number: int, row: dict[str, str], texts: dict[str, str], beside: Sequence[str]) -> RetrievalPair:
    own = row["document"]
    return RetrievalPair(
        id=str(number), question=row["question"], document_id=own, chunk_id=own, passage=texts[own], documents=(own,),
        negatives=tuple(texts[other] for other in beside), negative_ids=tuple(beside), origin="question", source="faq",
        filter="", cluster=own, split="train",
    )  # fmt: skip


def _plain(rows: Sequence[RetrievalPair], given: argparse.Namespace, folder: Path) -> tuple[float, float]:
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model = SentenceTransformer(str(find_model(DEFAULT_MODEL, None, folder)), device="cpu")
    columns = {"anchor": [row.question for row in rows], "positive": [row.passage for row in rows]}
    columns |= {f"negative_{n}": [row.negatives[n] for row in rows] for n in range(given.negatives)}
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder / "plain"), num_train_epochs=1, per_device_train_batch_size=given.batch, use_cpu=True,
        report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    timed = Timed()
    SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=Dataset.from_dict(columns), loss=MultipleNegativesRankingLoss(model),
        callbacks=[timed],
    ).train()  # fmt: skip
    return timed.each


def _ours(rows: Sequence[RetrievalPair], given: argparse.Namespace, folder: Path) -> tuple[float, float]:
    timed = Timed()
    spec = EmbedderTrainer(
        epochs=1, batch=given.batch, negatives=given.negatives, threads=given.threads, device="cpu", passage_tokens=256,
        evaluations=1,
    )  # fmt: skip
    # It tells of four points in each epoch; checkpoints come after the last one, and are not timed.
    data = TrainingData("faq", "", tuple(rows))
    spec.train(data, folder / "ours", folder, lambda point: timed.note(point.step))
    return timed.each


if __name__ == "__main__":
    sys.exit(main())
