"""Peak memory of a whole feature run as the corpus grows.

    python -m benchmarks.memory --documents 1000,10000,50000 --paragraphs 1

Each run is a process of its own with a home of its own; its peak is what the kernel counted (ru_maxrss). That includes
the pages of mapped files, which the kernel takes back whenever others need the memory; so the peak of the anonymous
memory, looked at twenty times a second, is shown apart (Linux only). The documents are made up: paragraphs of random
words, the rows of a JSONL file.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from random import Random

WORDS = [
    f"{start}{middle}{end}" for start in "bcdfglmnprst" for middle in "aeiou" for end in ("n", "rd", "lk", "st", "m")
]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Peak memory of a feature run as the corpus grows.")
    parser.add_argument("--documents", default="1000,10000,50000", help="sizes, with commas between them")
    parser.add_argument("--embedder", choices=("hashing", "sentence_transformers"), default="hashing")
    parser.add_argument("--paragraphs", type=int, default=5)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        _run(arguments.child, arguments.embedder)
        return
    print("| documents | chunks | seconds | peak MB | peak anonymous MB |\n|---|---|---|---|---|", flush=True)
    peaks = []
    for count in map(int, arguments.documents.split(",")):
        with tempfile.TemporaryDirectory(prefix="memory-") as folder:
            _write(Path(folder) / "corpus.jsonl", count, arguments.paragraphs)
            found = _measured(Path(folder), arguments.embedder)
        peaks.append(found["megabytes"])
        shown = [count, found["chunks"], *(f"{found[name]:.0f}" for name in ("seconds", "megabytes", "anonymous"))]
        print(f"| {' | '.join(map(str, shown))} |", flush=True)
    print(f"largest / smallest: {max(peaks) / min(peaks):.2f}")


def _measured(folder: Path, embedder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.memory", "--child", str(folder), "--embedder", embedder]
    environment = os.environ | {"LLM_ENGINEERING_HOME": str(folder / "home")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _run(folder: Path, embedder: str) -> None:
    """Run the pipeline in this process, and print what it took."""
    from llm_engineering import plain
    from llm_engineering.config import FeatureConfig

    started = time.perf_counter()
    anonymous = _Anonymous()
    source = {"kind": "table", "url": str(folder / "corpus.jsonl"), "name": "corpus", "template": "{{ text }}"}
    report = plain.feature(
        FeatureConfig.model_validate({"ingest": {"sources": [source]}, "embedding": {"kind": embedder}})
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    seconds = time.perf_counter() - started
    print(json.dumps({"chunks": report.chunks, "seconds": seconds, "megabytes": peak, "anonymous": anonymous.peak}))


class _Anonymous:
    """The peak of this process's anonymous memory, in MB; 0 where the kernel does not tell."""

    def __init__(self) -> None:
        self.peak = 0.0
        self._status = Path("/proc/self/status")
        if self._status.exists():
            threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            found = next((line for line in self._status.read_text().splitlines() if line.startswith("RssAnon")), "0 0")
            self.peak = max(self.peak, int(found.split()[1]) / 2**10)
            time.sleep(0.05)


def _write(path: Path, documents: int, paragraphs: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(documents):
            chance = Random(number)
            text = "\n\n".join(" ".join(chance.choices(WORDS, k=60)) + f" {number}." for _ in range(paragraphs))
            file.write(json.dumps({"id": number, "text": text}) + "\n")


if __name__ == "__main__":
    main()
