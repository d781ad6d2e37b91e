"""The whole tuning: ask once, search thousands of settings, let the validation questions decide, set the threshold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from loguru import logger

from llm_engineering.application.evaluation import Searching
from llm_engineering.application.retrieval import Answerability, Reranking, Retrieval
from llm_engineering.application.retrieval.answerability import features
from llm_engineering.application.tuning.asking import TuningQuestion, asked, hits
from llm_engineering.application.tuning.calibrating import Calibration, Judged, calibrate, fit
from llm_engineering.application.tuning.choosing import Choice, choose
from llm_engineering.application.tuning.questions import unanswerable
from llm_engineering.application.tuning.rankings import RankedQuestions
from llm_engineering.application.tuning.reweighing import Reweighed, reweigh
from llm_engineering.application.tuning.space import Setting, settings_of
from llm_engineering.domain.datasets import Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import Progress
from llm_engineering.domain.tuning import TuningSettings

Questions = Mapping[Split, Sequence[TuningQuestion]]


@dataclass(frozen=True)
class Tuned:
    """What the tuning found: the settings to search with, and what decided. `calibration` is None where not asked."""

    retrieval: Retrieval
    choice: Choice
    reweighed: Reweighed | None
    calibration: Calibration | None


def tune(
    settings: TuningSettings,
    questions: Questions,
    searching: Mapping[int, Callable[[], Searching]],
    retrieval: Retrieval,
    reranking: Reranking | None,
    progress: Progress,
) -> Tuned:
    """Return the settings that are shown to be better than those in use, or those in use.

    Args:
        settings: What is tried.
        questions: The questions to search with (train) and those that decide (validation).
        searching: By size of the chunks, how an index is opened; 0 is the one that is there.
        retrieval: What is in use.
        reranking: The reranker that is in use.
        progress: Shows how far it is.

    Raises:
        UsageError: the search is not hybrid, or there are too few questions.
    """
    if retrieval.mode != "hybrid":
        raise UsageError(
            f"retrieval.mode is {retrieval.mode!r}, and there is nothing to fuse; set it to hybrid, then tune"
        )
    default = Setting(retrieval.fusion, retrieval.depth(settings.k))
    tried = settings_of(
        default, settings.fusions, settings.pools, settings.chunk_tokens, settings.settings, settings.seed
    )
    tables = _tables(questions, searching, max(one.pool for one in tried), progress)
    choice = choose(
        tried, tables[Split.TRAIN], tables[Split.VALIDATION], [one.cluster for one in questions[Split.VALIDATION]],
        settings.metric, settings.k, settings.seed, settings.confidence,
    )  # fmt: skip
    logger.info("tuning: {}", choice.reason or f"{choice.before:.4f} to {choice.after:.4f} on validation questions")
    chosen = choice.chosen
    better = (
        retrieval.model_copy(update={"fusion": chosen.fusion, "pool": chosen.pool}) if choice.changed else retrieval
    )
    there = searching[chosen.chunk_tokens]()
    weighed = reweigh(settings, questions, there, better, reranking, progress) if reranking else None
    weight = Reranking(reranking.reranker, reranking.candidates, weighed.weight) if reranking and weighed else reranking
    judge = better.answerability
    if not settings.threshold or judge is None:
        return Tuned(better, choice, weighed, None)
    calibration = _calibrated(settings, questions, there, better, weight, judge, progress)
    model = there.index.manifest.model.name
    if calibration.formula:
        changes = {"threshold": calibration.threshold, "hybrid": calibration.formula, "model": model}
        judge = judge.model_copy(update=changes)
    elif judge.fits(model):
        judge = judge.model_copy(update={"threshold": calibration.threshold})
    return Tuned(better.model_copy(update={"answerability": judge}), choice, weighed, calibration)


def _tables(
    questions: Questions, searching: Mapping[int, Callable[[], Searching]], pool: int, progress: Progress
) -> dict[Split, dict[int, RankedQuestions]]:
    """Return what each index finds for the questions, by split and size of the chunks. Each question is asked once."""
    tables: dict[Split, dict[int, RankedQuestions]] = {Split.TRAIN: {}, Split.VALIDATION: {}}
    for size, opened in searching.items():
        found = opened()
        for split, table in tables.items():
            title = f"ask {split.value}" + (f", chunks of {size}" if size else "")
            table[size] = RankedQuestions.of(list(asked(questions[split], found, pool, progress, title)))
    return tables


def _calibrated(
    settings: TuningSettings,
    questions: Questions,
    searching: Searching,
    retrieval: Retrieval,
    reranking: Reranking | None,
    judge: Answerability,
    progress: Progress,
) -> Calibration:
    passages = searching.index.count()
    without = unanswerable({split: list(questions[split]) for split in questions}, settings.seed)

    def judged(split: Split) -> list[Judged]:
        rows = [*((one, True) for one in questions[split]), *((one, False) for one in without[split])]
        result = []
        for one, answerable in progress(rows, f"judge {split.value}", total=len(rows), unit="question"):
            wording, found = hits(
                one.question, searching, retrieval, retrieval.k, reranking.candidates if reranking else 0
            )
            if reranking:
                found = reranking.rerank(one.question.text, found, retrieval.k)
            confidence = judge.judge(one.question.text, wording.rankings, found, passages)[1]
            seen = features(one.question.text, wording.rankings, found, judge.language, passages)
            result.append(Judged(confidence, answerable, one.cluster, seen))
        return result

    if not judge.fits(searching.index.manifest.model.name):
        return fit(
            judged(Split.TRAIN), judged(Split.VALIDATION), settings.may_refuse, settings.seed, settings.confidence
        )
    return calibrate(
        judged(Split.TRAIN), judged(Split.VALIDATION), judge.threshold, settings.may_refuse, settings.seed,
        settings.confidence,
    )  # fmt: skip
