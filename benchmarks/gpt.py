"""The GPT beside what it has to beat: a trigram model on the same tokens, and a plain loop of PyTorch at the same size.

    python -m benchmarks.gpt --against trigram [--data FOLDER] [--minutes M]
    python -m benchmarks.gpt --against nanogpt [--rounds N] [--steps N]
    python -m benchmarks.gpt --against batch

The corpus is the FAQ, or the documentation of this project with `--data docs`. A tenth of the documents is held out by
their hash; the vocabulary is learnt from the others. The trigram model is the better of interpolated Kneser–Ney and
Jelinek–Mercer, whose parameters are tuned on a tenth of the training documents; it is asked for the very tokens that
the GPT is asked for, and always sees two tokens before.

The plain loop is written as nanoGPT's train.py is: fused attention, AdamW, clipping, cosine schedule. Both loops take
turns, and the median of the rounds counts. A round ends with an evaluation and a checkpoint in both.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.plain_gpt import PlainLoop
from llm_engineering.application.datasets.splitting import fraction
from llm_engineering.domain.models import CurvePoint
from llm_engineering.domain.training import unwatched
from llm_engineering.infrastructure.trainers.gpt.bpe import learn_bpe
from llm_engineering.infrastructure.trainers.gpt.checkpoints import Progress, keep
from llm_engineering.infrastructure.trainers.gpt.model import Gpt, GptSettings, weights_in
from llm_engineering.infrastructure.trainers.gpt.training import (
    Reader,
    Training,
    evaluate,
    optimiser_of,
    take_steps,
    train,
)
from llm_engineering.infrastructure.trainers.gpt.trigrams import tuned_loss
from llm_engineering.infrastructure.trainers.gpt.vocabulary import documents_to_ids
from llm_engineering.infrastructure.trainers.gpt.windows import Windows, tested_windows, windows_of

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "faq"


def main() -> int:
    """Compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", choices=("trigram", "nanogpt", "batch"), required=True)
    parser.add_argument("--data", default=str(DATA), help="folder of the FAQ, or `docs`")
    numbers = {
        "vocabulary": 1024,
        "steps": 0,
        "batch": 4,
        "threads": 2,
        "rounds": 5,
        "channels": 128,
        "layers": 5,
        "heads": 4,
        "seed": 0,
    }
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--dropout", type=float, default=0.1)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    texts, held = corpus(given.data)
    if given.against == "batch":
        return overfit(texts, given)
    return against_trigram(texts, held, given) if given.against == "trigram" else against_plain(texts, given)


def corpus(data: str) -> tuple[list[str], list[str]]:
    """Return the documents to learn from, and those that are held out."""
    if data == "docs":
        pages = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
        named = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in pages}
    else:
        entries = json.loads((Path(data) / "documents-with-ids.json").read_text(encoding="utf-8"))
        named = {one["id"]: f"{one['course']}\n{one['section']}\n{one['question']}\n{one['text']}" for one in entries}
    held = {name for name in named if fraction("held out", name) < 0.1}
    return [text for name, text in named.items() if name not in held], [named[name] for name in sorted(held)]


def against_trigram(texts: list[str], held: list[str], given: argparse.Namespace) -> int:
    """Train for some minutes, and compare the loss on held-out tokens with that of the trigram model."""
    vocabulary = learn_bpe(texts, given.vocabulary)
    windows, tested = windows_of(vocabulary, texts, 256, 64), tested_windows(vocabulary, held, 256)
    learnt = [documents_to_ids(vocabulary, [text]) for text in texts]
    name, trigram = tuned_loss(learnt, tested.ids.tolist(), len(tested) * tested.width, vocabulary.size)
    settings = GptSettings(
        vocabulary.size, 256, given.layers, given.heads, given.channels, "rotary", dropout=given.dropout
    )
    model = Gpt(settings, given.seed)
    print(f"{len(windows.ids):,} tokens to learn from, {len(tested) * tested.width:,} held out; {name}: {trigram:.4f}")
    steps = given.steps or 2_000
    how = Training(steps=steps, batch=given.batch, evaluate_every=100, precision="bf16", seed=given.seed)
    began, worked, best, below = time.perf_counter(), time.process_time(), [9.9], []

    def tell(point: CurvePoint) -> None:
        minutes, cpu = (time.perf_counter() - began) / 60, (time.process_time() - worked) / 60
        best[0] = min(best[0], point.metric or 9.9)
        if (point.metric or 9.9) < trigram and not below:
            below.append((minutes, cpu))
        print(
            f"{minutes:5.1f} min, {cpu:5.1f} CPU min, step {point.step}: {point.loss:.4f}, held out {point.metric:.4f}",
            flush=True,
        )
        if minutes > given.minutes:
            raise TimeoutError

    with tempfile.TemporaryDirectory() as folder:
        try:
            train(model, Reader(windows, tested), how, Path(folder), tell)
        except TimeoutError:
            print(f"stopped after {given.minutes:g} minutes")
    print(f"weights {weights_in(model):,}; {name} {trigram:.4f}, GPT {best[0]:.4f} (load {os.getloadavg()[0]:.1f})")
    told = "below it after {:.1f} minutes, {:.1f} CPU minutes of {} threads"
    print(told.format(*below[0], given.threads) if below else "never below it")
    return 0 if below else 1


def against_plain(texts: list[str], given: argparse.Namespace) -> int:
    """Let both loops take turns, and print the medians of their tokens in a second."""
    vocabulary = learn_bpe(texts, given.vocabulary)
    windows = windows_of(vocabulary, texts, 256, 64)
    tested = windows_of(vocabulary, texts[:40], 256, 256)
    settings = GptSettings(vocabulary.size, 256, given.layers, given.heads, given.channels, "learned")
    steps, tokens = given.steps or 10, (given.steps or 10) * given.batch * 256
    with tempfile.TemporaryDirectory() as folder:
        loops: dict[str, Callable[[int], None]] = {}
        for precision in ("fp32", "bf16"):
            loops[f"plain {precision}"] = PlainLoop(settings, windows.ids, tested, given.batch, precision, folder).run
            loops[f"ours {precision}"] = _ours(settings, windows, tested, given.batch, precision, Path(folder))
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
        for turn in range(given.rounds + 1):
            for name, run in loops.items():
                wall, cpu = time.perf_counter(), time.process_time()
                run(steps)
                rate = tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu)
                if turn:  # the first round loads kernels
                    rates[name].append(rate)
    found = {name: tuple(median(one[part] for one in each) for part in (0, 1)) for name, each in rates.items()}
    for name, (by_wall, by_cpu) in found.items():
        print(f"{name:<12}{by_wall:10,.0f} tokens/s {by_cpu:10,.0f} tokens/CPU s")
    for precision in ("fp32", "bf16"):
        one, other = found[f"ours {precision}"], found[f"plain {precision}"]
        print(f"{'ratio':<6}{precision:<6}{one[0] / other[0]:10.2f} {one[1] / other[1]:18.2f}")
    print(f"load {os.getloadavg()[0]:.1f}")
    return 0


def overfit(texts: list[str], given: argparse.Namespace) -> int:
    """Read one batch of four windows again and again, until the model knows it by heart."""
    import torch

    vocabulary = learn_bpe(texts, given.vocabulary)
    ids = torch.tensor(documents_to_ids(vocabulary, texts[:20]))[: 4 * 256 + 1]
    windows = Windows(ids, 256, 256)
    settings = GptSettings(vocabulary.size, 256, given.layers, given.heads, given.channels, "rotary")
    how = Training(steps=given.steps or 160, batch=4, evaluate_every=20, weight_decay=0.0, precision="bf16")
    with tempfile.TemporaryDirectory() as folder:
        progress = train(Gpt(settings), Reader(windows), how, Path(folder), unwatched)
    for point in progress.curve:
        print(f"steps to {point.step}: mean loss {point.loss:.4f}")
    return 0 if (progress.curve[-1].loss or 1) < 0.05 else 1


def _ours(
    settings: GptSettings, windows: Any, tested: Any, batch: int, precision: str, folder: Path
) -> Callable[[int], None]:
    import torch

    model = Gpt(settings)
    model.compute = torch.bfloat16 if precision == "bf16" else torch.float32
    how = Training(steps=10_000, batch=batch, precision=precision)
    optimiser, done = optimiser_of(model, how), [0]

    def run(steps: int) -> None:
        take_steps(model, optimiser, windows, how, done[0], done[0] + steps)
        done[0] += steps
        evaluate(model, tested)
        keep(folder / f"ours-{precision}", {}, Progress(step=done[0]), model, optimiser)

    return run


if __name__ == "__main__":
    sys.exit(main())
