"""Calibrate and check when there is no answer, on a FAQ corpus.

    python -m benchmarks.no_answer [--data FOLDER] [--home FOLDER]

Asks an index of the FAQ (see `benchmarks.retrieval`) its own questions, the same questions with the filter of another
course, and questions that nothing answers. Fits the formulas on one half, prints them, and reports on the other half
what the formulas in the package refuse. "question1" and the like stand among the questions of the FAQ; they are left
out of the fit and counted in the report.
"""

import argparse
import os
import random
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from benchmarks.halves import reported
from benchmarks.no_answer.questions import off_topic
from benchmarks.retrieval import DATA, faq_config, faq_questions
from llm_engineering import plain
from llm_engineering.application.retrieval import Answerability, Retrieval, payload_filter
from llm_engineering.application.retrieval.answerability import BOTH, DENSE_ALONE, SPARSE_ALONE, Feature, features
from llm_engineering.application.retrieval.candidates import hits_of, search
from llm_engineering.application.tuning.fitting import fitted
from llm_engineering.bootstrap import Workspace
from llm_engineering.infrastructure.observability.logs import configure_logging

# What each kind of question weighs in the fit, all of its questions together, and the share that may be refused.
WEIGHTS = {"answerable": 1000.0, "no filter": 300.0, "other course": 1000.0, "nothing": 1000.0}
REFUSED = 0.045
ANSWERABLE = ("answerable", "no filter")
Row = tuple[str, bool, str, dict[Feature, float], float]


def main() -> int:
    """Index the FAQ, ask everything, print the formulas and what is refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--home", type=Path, help="keep the index here, and use it if it is there")
    arguments = parser.parse_args()
    configure_logging("WARNING")
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["LLM_ENGINEERING_HOME"] = str(arguments.home or temporary)
        rows = list(_asked(arguments.data))
    _fit([row for row in rows if not row[1] and not re.fullmatch(r"questions?\d*", row[2])])
    threshold = Answerability().threshold
    refused: dict[tuple[str, bool], list[bool]] = defaultdict(list)
    for kind, half, _, _, confidence in rows:
        refused[kind, half].append(confidence < threshold)
    print("refused by the formulas of the package: half to choose with, half to report")
    for kind in dict.fromkeys(row[0] for row in rows):
        shares = [sum(refused[kind, half]) / len(refused[kind, half]) for half in (False, True)]
        print(f"  {kind:<20}{shares[0]:6.1%} {shares[1]:6.1%}   of {len(refused[kind, True])}")
    return 0


def _asks(data: Path) -> Iterator[tuple[str, bool, str, str | None]]:
    """Yield kind, whether it is reported on, the question, and the course to limit the search to."""
    rows, chance = faq_questions(data), random.Random(1)
    courses = sorted({row["course"] for row in rows})
    for row in rows:
        half, others = reported(row["document"]), [course for course in courses if course != row["course"]]
        yield "answerable", half, row["question"], row["course"]
        yield "no filter", half, row["question"], None
        yield "other course", half, row["question"], chance.choice(others)
    for _, question in off_topic():
        yield "nothing", reported(question), question, None
        yield "nothing", reported(question), question, chance.choice(courses)


def _asked(data: Path) -> Iterator[Row]:
    config, settings, judge = faq_config(data, ()), Retrieval(), Answerability()
    plain.feature(config)
    workspace = Workspace()
    with workspace.store(config.load) as store, store.read() as index:
        embedder, passages = config.embedding.open(workspace.home), index.count()
        for kind, half, question, course in _asks(data):
            only = payload_filter({"course": course} if course else {})
            pool = settings.depth(settings.k)
            wording = search(question, 1.0, index, embedder, config.tokenizing.query, settings, only, pool)
            hits, rankings = hits_of([wording], settings, settings.k), wording.rankings
            confidence = judge.judge(question, rankings, hits, passages)[1]
            found = features(question, rankings, hits, passages=passages) if hits else {}
            yield kind, half, question, found, confidence


def _fit(rows: list[Row]) -> None:
    rows = [row for row in rows if row[3]]
    kinds = [row[0] for row in rows]
    weights = [WEIGHTS[kind] / kinds.count(kind) for kind in kinds]
    for name, formula in (("hybrid", BOTH), ("dense", DENSE_ALONE), ("sparse", SPARSE_ALONE)):
        answerable, judged = [kind in ANSWERABLE for kind in kinds], [kind == "answerable" for kind in kinds]
        found = fitted([row[3] for row in rows], answerable, weights, judged, list(formula.weights), REFUSED)
        print(f"{name}: {found}")


if __name__ == "__main__":
    sys.exit(main())
