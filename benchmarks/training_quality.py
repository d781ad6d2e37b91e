"""What fine-tuning the embedder is worth on a FAQ corpus, through the real pipelines, from the sources on.

    python -m benchmarks.training_quality [--data FOLDER] [--home FOLDER] [--set key=value …] [--table FILE]

Indexes the corpus, makes a data set of the questions about one half of the documents and of the titles of documents
that are not held out, trains, indexes again, and asks the questions about the other half with the course as a filter:
hit@5 / MRR@5 of dense and of hybrid search with either model, and what a randomisation test by document says of the
difference. `reranked` is hybrid with late interaction of the same model, `fitted` has the weight of BM25 that is best
on the validation questions. See `benchmarks.retrieval` for the corpus. --set is of the trainer: `--set epochs=2`.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import TypeAdapter

from benchmarks.faq_rows import split_of
from benchmarks.halves import figures
from benchmarks.retrieval import DATA, faq_config, faq_questions, rank_of
from llm_engineering import plain
from llm_engineering.application.evaluation.general import general_ndcg
from llm_engineering.application.retrieval import Interpolation, Retrieval, retrieve
from llm_engineering.application.retrieval.reranking import Reranking
from llm_engineering.application.retrieval.retrieve import Means
from llm_engineering.application.tuning.choosing import sign_test
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import DatasetConfig, FeatureConfig, TrainingConfig
from llm_engineering.domain.access import ALL
from llm_engineering.domain.datasets import Split
from llm_engineering.infrastructure.observability.logs import configure_logging
from llm_engineering.infrastructure.rerankers import LateInteraction

K = 5
Made = TypeVar("Made")
WEIGHTS = (0.005, 0.01, 0.0125, 0.015, 0.0175, 0.02, 0.025, 0.03, 0.04)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--home", type=Path, help="keep all that is made here, and go on from what is there")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="of the trainer: batch=32")
    parser.add_argument("--table", type=Path, help="append the figures to this file, as a JSON line")
    arguments = parser.parse_args()
    configure_logging("WARNING")
    with tempfile.TemporaryDirectory() as temporary:
        home = arguments.home or Path(temporary)
        os.environ["LLM_ENGINEERING_HOME"] = str(home)
        config = faq_config(arguments.data, ())
        _timed("indexed", lambda: plain.feature(config))
        _timed("data set made", lambda: plain.dataset(_dataset(config, arguments.data, home)))
        model = _timed("trained", lambda: _trained(config, _values(arguments.overrides)))
        embedding = {"kind": "sentence_transformers", "model": model}
        settings = config.model_dump(mode="json") | {"embedding": embedding}
        settings["load"] |= {"collection": "tuned"}
        tuned = FeatureConfig.model_validate(settings)
        _timed("indexed again", lambda: plain.feature(tuned))
        facts = _compared(config, tuned, faq_questions(arguments.data))
        if arguments.table:
            with arguments.table.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"set": arguments.overrides, **facts}) + "\n")
    return 0


def _timed(what: str, make: Callable[[], Made]) -> Made:
    started = time.perf_counter()
    made = make()
    print(f"{what} in {time.perf_counter() - started:.0f} s", flush=True)
    return made


def _values(overrides: Sequence[str]) -> dict[str, object]:
    pairs = [override.partition("=") for override in overrides]
    return {key: TypeAdapter(object).validate_python(json.loads(value)) for key, _, value in pairs}


def _dataset(config: FeatureConfig, data: Path, home: Path) -> DatasetConfig:
    """Write the questions with their splits, and return the configuration of a data set of them."""
    file = home / "questions.csv"
    with file.open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["question", "course", "document", "split"])
        for row in faq_questions(data):
            table.writerow([row["question"], row["course"], row["document"], split_of(row["document"]).value])
    pairs = [{"kind": "questions", "file": str(file), "filters": ["course"]}]
    pairs += [{"kind": "structure", "filters": ["course"]}]
    settings = {"name": "faq", "splits": "column", "pairs": pairs}
    return DatasetConfig.model_validate(_parts(config) | {"dataset": settings})


def _trained(config: FeatureConfig, values: dict[str, object]) -> str:
    """Train, and return the name of the version in the registry."""
    settings = {"model": "faq", "dataset": "faq", "trainer": {"kind": "embedder", **values}}
    report = plain.training(TrainingConfig.model_validate(_parts(config) | {"training": settings}))
    assert report.training is not None
    record = report.training.trained.record
    print(f"{record.steps} steps, best {record.best_step}; {record.seconds:.0f} s, {record.cpu_seconds:.0f} CPU s")
    return f"registry:{report.training.model}"


def _parts(config: FeatureConfig) -> dict[str, object]:
    known = config.model_dump(mode="json")
    return {name: known[name] for name in ("embedding", "load", "retrieval")}


def _compared(config: FeatureConfig, tuned: FeatureConfig, questions: list[dict[str, str]]) -> dict[str, object]:
    """Print the figures of both models, and return them."""
    parts = {split: [row for row in questions if split_of(row["document"]) == split] for split in Split}
    asked, chosen = parts[Split.TEST], parts[Split.VALIDATION]
    weights = [_hybrid(weight) for weight in WEIGHTS]
    fitted = max(weights, key=lambda setting: _mrr(_ranks(tuned, setting, chosen)).mean())
    facts: dict[str, object] = {"questions": len(asked)}
    print(f"hit@{K} / MRR@{K} of {len(asked)} held-out questions: before, after, p of MRR")
    default: Retrieval = config.retrieval
    for name, before, after, rerank in (
        ("dense", Retrieval(mode="dense"), Retrieval(mode="dense"), None),
        ("hybrid", default, default, None),
        (f"hybrid, fitted: {fitted.fusion.lexical:g}", default, fitted, None),  # type: ignore[union-attr]
        ("hybrid, reranked", default, default, LateInteraction()),
    ):
        first, last = _ranks(config, before, asked, rerank), _ranks(tuned, after, asked, rerank)
        p, documents = sign_test(_mrr(last) - _mrr(first), [row["document"] for row in asked], 0)
        print(f"  {name:<24}{figures(first)}   {figures(last)}   p = {p:.4f}, {documents} documents", flush=True)
        facts[name] = [figures(first), figures(last), p]
    home = Workspace().home
    general = [float(np.mean(general_ndcg(one.embedding.open(home)))) for one in (config, tuned)]
    print(f"  nDCG@10 of the general questions {general[0]:.4f}   {general[1]:.4f}   {general[1] - general[0]:+.4f}")
    return facts | {"general": general}


def _hybrid(weight: float) -> Retrieval:
    return Retrieval(fusion=Interpolation(lexical=weight))


def _ranks(
    config: FeatureConfig,
    settings: Retrieval,
    questions: Sequence[dict[str, str]],
    rerank: LateInteraction | None = None,
) -> list[int]:
    workspace = Workspace()
    embedder = config.embedding.open(workspace.home)
    opened = rerank and Reranking(rerank.open(workspace.home, embedder), rerank.candidates, rerank.weight)
    with workspace.store(config.load) as store, store.read() as index:
        found = []
        for row in questions:
            only = {"course": row["course"]}
            asked = (row["question"], index, embedder, config.tokenizing.query, settings, only, 4 * K)
            hits = retrieve(*asked, access=ALL, means=Means(reranking=opened)).hits
            found.append(rank_of(hits, row["document"]))
    return found


def _mrr(ranks: Sequence[int]) -> np.ndarray:
    return np.array([1 / rank if rank else 0.0 for rank in ranks])


if __name__ == "__main__":
    sys.exit(main())
