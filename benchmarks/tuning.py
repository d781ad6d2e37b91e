"""Tune the search on one half of the FAQ's documents, report on the other.

    python -m benchmarks.tuning [--data FOLDER] [--home FOLDER] [--chunk-tokens 64 128] [--set section.key=value …]

See `benchmarks.retrieval` for the corpus. Seven tenths of the first half are searched with, three tenths decide.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.faq_rows import faq_rows
from benchmarks.retrieval import DATA, faq_config
from llm_engineering import plain, stages
from llm_engineering.application.datasets import held_questions
from llm_engineering.application.evaluation import Searching
from llm_engineering.application.retrieval import Retrieval
from llm_engineering.application.text import Tokenizing
from llm_engineering.application.tuning import RankedQuestions, Setting
from llm_engineering.application.tuning.asking import TuningQuestion, asked
from llm_engineering.application.tuning.choosing import scores_of, sign_test
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.config import FeatureConfig
from llm_engineering.domain.datasets import DatasetCard, Split
from llm_engineering.infrastructure.observability.logs import configure_logging
from llm_engineering.infrastructure.trainers import RetrievalTuner


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--home", type=Path, help="keep the index here, and use it if it is there")
    parser.add_argument("--chunk-tokens", type=int, nargs="*", default=[])
    parser.add_argument("--metric", choices=["mrr", "ndcg"], default="mrr")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    configure_logging("WARNING")
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["LLM_ENGINEERING_HOME"] = str(arguments.home or temporary)
        config = faq_config(arguments.data, arguments.overrides)
        plain.feature(config)
        workspace = Workspace()
        with workspace.store(config.load) as store, store.read() as index:
            rows = faq_rows(arguments.data, index)
        card = DatasetCard(name="faq", version="", digest="")
        card = open_datasets(workspace).write(card, rows)
        spec = RetrievalTuner(chunk_tokens=tuple(arguments.chunk_tokens), metric=arguments.metric)
        started = time.perf_counter()
        model = stages.tune_retrieval(config, card.reference, spec, "search")
        print(f"tuned in {time.perf_counter() - started:.0f} s, {card.rows}")
        print(
            json.dumps({"retrieval": model.settings["retrieval"], "why": model.settings["why"]}, indent=1), flush=True
        )
        if model.settings["why"]["choice"]["reason"]:  # type: ignore[index]
            return 0  # nothing was changed, so there is nothing to report
        _report(config, arguments.data, Retrieval.model_validate(
            {key: value for key, value in model.settings["retrieval"].items() if key in ("fusion", "pool")}  # type: ignore[attr-defined]
        ))  # fmt: skip
    return 0


def _report(config: FeatureConfig, data: Path, tuned: Retrieval) -> None:
    """Print MRR@10 and nDCG@10 of the default and of the tuned fusion on the held-out half."""
    workspace = Workspace()
    with workspace.store(config.load) as store, store.read() as index:
        tokenizing = Tokenizing.model_validate(index.manifest.settings["tokenizing"])
        searching = Searching(index, config.embedding.open(workspace.home), tokenizing.query)
        rows = [row for row in faq_rows(data, index) if row.split == Split.TEST]
        held = [TuningQuestion(one, one.documents[0]) for one in held_questions(rows)]
        default: Retrieval = config.retrieval
        pool = max(default.depth(10), tuned.depth(10))
        table = RankedQuestions.of(list(asked(held, searching, pool, workspace.progress, "held out")))
    for metric in ("mrr", "ndcg"):
        old, new = (
            scores_of(table, Setting(one.fusion, one.depth(10)), metric, 10)  # type: ignore[arg-type]
            for one in (default, tuned)
        )
        p, clusters = sign_test(new - old, [one.cluster for one in held], 0)
        gain = f"{metric}@10 {old.mean():.4f} → {new.mean():.4f}, p {p:.3f}"
        print(f"held out, {len(held)} questions, {clusters} documents: {gain}")


if __name__ == "__main__":
    sys.exit(main())
