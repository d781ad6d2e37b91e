"""How much a fine-tuned embedder gains from how many questions, on a FAQ corpus.

    python -m benchmarks.learning_curve --home FOLDER [--pairs 50 100 …] [--seeds 1] [--set key=value …]

FOLDER is a home that `benchmarks.tuning` or `benchmarks.retrieval` has indexed. Trains on so many questions about one
half of the documents, and asks those about the other half with the course as a filter: nDCG@10 of dense search, and of
hybrid search with the fusion as it is. Question and first passage of its document are a pair; no negatives are mined.
A line is printed, and appended to the file of --table, as soon as it is known.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from pydantic import TypeAdapter

from benchmarks.faq_rows import faq_rows
from benchmarks.retrieval import DATA, faq_config
from llm_engineering.application.datasets import held_questions
from llm_engineering.application.evaluation.general import general_ndcg, general_questions
from llm_engineering.application.retrieval import Retrieval
from llm_engineering.application.retrieval.candidates import ranked
from llm_engineering.application.text import Tokenizing
from llm_engineering.application.tuning import Asked, RankedQuestions, Setting
from llm_engineering.application.tuning.choosing import scores_of, sign_test
from llm_engineering.bootstrap import Workspace
from llm_engineering.domain.datasets import HeldQuestion, Split
from llm_engineering.domain.ports import Embedder, VectorIndex
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.domain.training import GeneralQuestion, TrainingData
from llm_engineering.infrastructure.embedders import SentenceTransformers
from llm_engineering.infrastructure.observability.logs import configure_logging
from llm_engineering.infrastructure.trainers import EmbedderTrainer

POOL = 50


@dataclass
class Corpus:
    """What is asked, and what the words alone find; an embedder adds the rest."""

    ids: list[str]
    texts: list[str]
    documents: list[str]
    courses: list[str]
    held: list[HeldQuestion]
    sparse: list[list[ScoredPoint]]
    vectors: np.ndarray  # of the texts, with the model of the index

    def scores(self, embedder: Embedder, vectors: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return nDCG@10 of each question, dense and hybrid."""
        vectors = _vectors(embedder, self.texts) if vectors is None else vectors
        # A model without a prompt for queries treats both alike, and batches are several times faster.
        asks = _vectors(embedder, [question.text for question in self.held])
        courses = np.array(self.courses)
        asked = []
        for question, words, ask in zip(self.held, self.sparse, asks, strict=True):
            scores = vectors @ ask
            scores[courses != question.filter["course"]] = -np.inf
            best = np.argsort(-scores)[:POOL]
            dense = ranked([self._point(position, float(scores[position])) for position in best])
            asked.append(Asked(question.id, frozenset(question.documents), {"dense": dense, "sparse": words}))
        both = RankedQuestions.of(asked)
        alone = RankedQuestions.of([Asked(a.id, a.relevant, {"dense": a.rankings["dense"]}) for a in asked])
        setting = Setting(Retrieval().fusion, POOL)
        return scores_of(alone, setting, "ndcg", 10), scores_of(both, setting, "ndcg", 10)

    def _point(self, position: int, score: float) -> ScoredPoint:
        return ScoredPoint(self.ids[position], score, {"document_id": self.documents[position]})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--pairs", type=int, nargs="*", default=[50, 100, 200, 400, 800])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--questions", type=int, default=0, help="held-out questions to ask; 0: all")
    parser.add_argument("--blind", action="store_true", help="no validation split: quicker, and never stopped early")
    parser.add_argument("--table", type=Path, help="append each result to this file, as JSON lines")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="of the trainer: batch=32")
    arguments = parser.parse_args()
    configure_logging("WARNING")
    os.environ["LLM_ENGINEERING_HOME"] = str(arguments.home)
    config, workspace = faq_config(arguments.data, ()), Workspace()
    with workspace.store(config.load) as store, store.read() as index:
        rows = faq_rows(arguments.data, index)
        corpus = _corpus(index, [row for row in rows if row.split == Split.TEST], arguments.questions)
    base = config.embedding.open(workspace.home)
    first, general = corpus.scores(base, corpus.vectors), np.array(general_ndcg(base))
    _say(arguments.table, pairs=0, seed=0, dense=first[0].mean(), hybrid=first[1].mean(), general=general.mean())
    train = [row for row in rows if row.split == Split.TRAIN]
    validation = () if arguments.blind else tuple(row for row in rows if row.split == Split.VALIDATION)
    values = {key: TypeAdapter(object).validate_python(json.loads(value)) for key, value in _pairs(arguments.overrides)}
    passages, questions = general_questions()
    known = tuple(GeneralQuestion(question.text, passages[question.passage]) for question in questions)
    for pairs in arguments.pairs:
        for seed in range(arguments.seeds):
            chosen = tuple(Random(seed).sample(train, min(pairs, len(train))))
            data = TrainingData(
                f"faq-{pairs}-{seed}", f"{pairs:032d}{seed:032d}", chosen, validation, known if validation else ()
            )
            started = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                spec = EmbedderTrainer.model_validate({"seed": seed, **values})
                trained = spec.train(data, Path(folder), workspace.home)
                seconds = time.perf_counter() - started
                embedder = SentenceTransformers(model=str(Path(folder) / "model")).open(workspace.home)
                now, after = corpus.scores(embedder), np.array(general_ndcg(embedder))
            clusters = [question.documents[0] for question in corpus.held]
            _say(
                arguments.table, pairs=len(chosen), seed=seed, steps=trained.record.steps,
                best_step=trained.record.best_step, seconds=round(seconds),
                dense=now[0].mean(), hybrid=now[1].mean(), general=after.mean(),
                p_dense=sign_test(now[0] - first[0], clusters, 0)[0],
                p_hybrid=sign_test(now[1] - first[1], clusters, 0)[0],
            )  # fmt: skip
    return 0


def _vectors(embedder: Embedder, texts: Sequence[str]) -> np.ndarray:
    vectors = np.zeros((len(texts), embedder.card.dimension))
    for batch in embedder.embed(texts):
        for position, vector in batch:
            vectors[position] = vector
    return vectors


def _corpus(index: VectorIndex, rows: Sequence[object], most: int) -> Corpus:
    tokenizing = Tokenizing.model_validate(index.manifest.settings["tokenizing"])
    points = sorted(index.scan(), key=lambda point: point.id)
    texts = ["\n".join(str(p.payload[f]) for f in ("context", "text") if p.payload.get(f)) for p in points]
    courses = [str(p.payload["metadata"]["course"]) for p in points]  # type: ignore[index]
    held = held_questions(rows)  # type: ignore[arg-type]
    if most:
        held = Random(0).sample(held, min(most, len(held)))
    found = []
    for question in held:
        condition = {"metadata.course": question.filter["course"]}
        hits = index.search_sparse(tokenizing.query(question.text), POOL, condition)
        found.append(ranked([ScoredPoint(p.id, p.score, {"document_id": p.payload["document_id"]}) for p in hits]))
    documents = [str(p.payload["document_id"]) for p in points]
    return Corpus([p.id for p in points], texts, documents, courses, held, found, np.array([p.dense for p in points]))


def _pairs(overrides: Sequence[str]) -> list[tuple[str, str]]:
    return [(key, value) for key, _, value in (override.partition("=") for override in overrides)]


def _say(table: Path | None, **facts: float) -> None:
    line = json.dumps({key: round(float(value), 4) for key, value in facts.items()})
    print(line, flush=True)
    if table:
        with table.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
