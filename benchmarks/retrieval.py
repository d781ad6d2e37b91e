"""hit@5 and MRR@5 of dense, sparse and fused retrieval on a FAQ corpus, through the real pipeline.

    python -m benchmarks.retrieval [--data FOLDER] [--set section.key=value …]

FOLDER holds `documents-with-ids.json` (records with text, section, question, course, id) and `questions-dev.csv`
(question, course, document), as published with the DataTalks.Club FAQ. A question counts as answered at the rank of the
first passage of its document; passages of the same document count once. Settings are chosen on the questions about one
half of the documents; the figures that count are those of the other half.
"""

import argparse
import csv
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.halves import figures, reported
from benchmarks.methods import METHODS
from llm_engineering import plain
from llm_engineering.application.retrieval import retrieve
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.access import ALL
from llm_engineering.domain.queries import Hit
from llm_engineering.infrastructure.observability.logs import configure_logging

K = 5
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "faq"


def main() -> int:
    """Index the corpus in a temporary home, ask all questions with every method, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--home", type=Path, help="keep the index here, and use it if it is there")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    configure_logging("WARNING")
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["LLM_ENGINEERING_HOME"] = str(arguments.home or temporary)
        config = faq_config(arguments.data, arguments.overrides)
        started = time.perf_counter()
        report = plain.feature(config)
        seconds = time.perf_counter() - started
        print(f"{report.found} documents, {report.chunks} chunks, indexed in {seconds:.1f} s")
        _compare(config, faq_questions(arguments.data))
    return 0


def faq_config(data: Path, overrides: Sequence[str]) -> FeatureConfig:
    """Return the configuration of the FAQ, with the ids that the questions name."""
    config = read_config(FeatureConfig, Path("configs/faq.yaml"), overrides)
    faq = config.ingest.sources[0]
    changes = {"url": str(data / "documents-with-ids.json"), "records": "", "key": ("id",)}
    source = type(faq).model_validate(faq.model_dump() | changes | {"metadata": ("course", "id")})
    return config.model_copy(update={"ingest": config.ingest.model_copy(update={"sources": (source,)})})


def faq_questions(data: Path) -> list[dict[str, str]]:
    """Return the questions with course and document."""
    with (data / "questions-dev.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _compare(config: FeatureConfig, questions: list[dict[str, str]]) -> None:
    workspace = Workspace()
    with workspace.store(config.load) as store, store.read() as index:
        embedder = config.embedding.open(workspace.home)
        halves = [sum(reported(row["document"]) is half for row in questions) for half in (False, True)]
        print(f"hit@{K} / MRR@{K} on the half to choose with ({halves[0]} questions), the half to report ({halves[1]})")
        for filtered in (True, False):
            print("with the course as a filter" if filtered else "without a filter")
            for name, settings in METHODS.items():
                ranks: dict[bool, list[int]] = {False: [], True: []}
                started = time.perf_counter()
                for row in questions:
                    only = {"course": row["course"]} if filtered else {}
                    asked = (row["question"], index, embedder, config.tokenizing.query, settings, only, 4 * K)
                    hits = retrieve(*asked, access=ALL).hits
                    ranks[reported(row["document"])].append(rank_of(hits, row["document"]))
                each = 1000 * (time.perf_counter() - started) / len(questions)
                print(f"  {name:<30}{figures(ranks[False])}   {figures(ranks[True])}   {each:5.1f} ms a query")


def rank_of(hits: Sequence[Hit], document: str) -> int:
    """Return the rank of the document among the first K distinct documents, or 0."""
    ids = list(dict.fromkeys(str(hit.metadata["id"]) for hit in hits))[:K]
    return ids.index(document) + 1 if document in ids else 0


if __name__ == "__main__":
    sys.exit(main())
