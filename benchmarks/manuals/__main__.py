"""hit@5 and MRR@5 of every method on natural questions over the HTML pages of PostgreSQL 15's manual.

    apt-get install postgresql-doc-15
    python -m benchmarks.manuals [--docs FOLDER] [--home FOLDER] [--set section.key=value …]

`questions.csv` holds what a working person may ask, the pages that answer it, and a few words of the first of them as
evidence. The last line of the table is the usual beginning: the same model over passages of 200 words without titles.
"""

import argparse
import csv
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks.halves import figures, reported
from benchmarks.methods import METHODS
from llm_engineering import plain
from llm_engineering.application.evaluation import rank_of_first
from llm_engineering.application.retrieval import retrieve
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.access import ALL
from llm_engineering.domain.ports import Embedder
from llm_engineering.infrastructure.observability.logs import configure_logging

K = 5
DOCS = Path("/usr/share/doc/postgresql-doc-15/html")
QUESTIONS = Path(__file__).with_name("questions.csv")
WORDS = 200
Question = tuple[str, tuple[str, ...]]


def main() -> int:
    """Index the manual, ask all questions with every method, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, default=DOCS)
    parser.add_argument("--home", type=Path, help="keep the index here, and use it if it is there")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    configure_logging("WARNING")
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["LLM_ENGINEERING_HOME"] = str(arguments.home or temporary)
        source = (f"ingest.sources.0.root={arguments.docs}", "load.collection=manuals")
        config = read_config(FeatureConfig, Path("configs/folder.yaml"), [*source, *arguments.overrides])
        started = time.perf_counter()
        report = plain.feature(config)
        print(f"{report.found} pages, {report.chunks} passages, {time.perf_counter() - started:.0f} s")
        _compare(config, questions())
    return 0


def questions() -> list[Question]:
    """Return the questions with the pages that answer them."""
    with QUESTIONS.open(encoding="utf-8", newline="") as lines:
        return [(row["question"], tuple(row["document"].split(";"))) for row in csv.DictReader(lines)]


def _compare(config: FeatureConfig, asked: Sequence[Question]) -> None:
    workspace = Workspace()
    with workspace.store(config.load) as store, store.read() as index:
        embedder = config.embedding.open(workspace.home)
        print(f"hit@{K} / MRR@{K} on the half to choose with, the half to report, all {len(asked)} questions")
        for name, settings in METHODS.items():
            found = (
                [
                    _page(hit.uri)
                    for hit in retrieve(
                        text, index, embedder, config.tokenizing.query, settings, None, 4 * K, access=ALL
                    ).hits
                ]
                for text, _ in asked
            )
            _show(name, asked, found)
        _show(f"passages of {WORDS} words, dense", asked, _by_words(workspace, embedder, asked))


def _page(uri: str) -> str:
    return uri.rsplit("/", 1)[-1]


def _show(name: str, asked: Sequence[Question], found: Iterable[Sequence[str]]) -> None:
    ranks = [rank_of_first(pages, set(right), K) for pages, (_, right) in zip(found, asked, strict=True)]
    halves = [
        [r for r, (_, right) in zip(ranks, asked, strict=True) if reported(right[0]) is half] for half in (False, True)
    ]
    print(f"  {name:<30}{figures(halves[0])}   {figures(halves[1])}   {figures(ranks)}")


def _by_words(workspace: Workspace, embedder: Embedder, asked: Sequence[Question]) -> Iterable[list[str]]:
    """Yield the pages that the baseline finds for each question, best first."""
    with workspace.warehouse() as warehouse:
        documents = list(warehouse.documents([state.document_id for state in warehouse.live()]))
    texts, pages = [], []
    for document in documents:
        words = document.text.split()
        for start in range(0, len(words), WORDS):
            texts.append(" ".join(words[start : start + WORDS]))
            pages.append(_page(document.uri))
    # A query is cut at the model's window, as the library cuts a passage that is too long for it.
    vectors = np.array([embedder.embed_query(text) for text in texts])
    for text, _ in asked:
        order = np.argsort(-(vectors @ np.array(embedder.embed_query(text))), kind="stable")
        yield list(chain(pages[position] for position in order[: 4 * K]))


if __name__ == "__main__":
    sys.exit(main())
