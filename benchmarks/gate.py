"""How often the gate promotes a model that is no better, and how often one that truly is.

    python -m benchmarks.gate [--seeds 1000] [--gain 0.03]

Candidates are made up: five questions about each document, in three courses and three lengths, whose ranks depend on
the document. A candidate that is no better answers a part of the questions otherwise, by chance. One that is better
answers missed questions besides, so that nDCG@10 truly rises by the gain. Every candidate goes through the comparison
with all metrics and slices, the correction for all of them, and the checks that read it, as in a promotion. The number
of questions is planned for the gain from a pilot, as `run-evaluation-pipeline` says it.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from llm_engineering.application.evaluation import compare, deviation_of, questions_needed
from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.application.promotion import Case, PromotionSettings, judge
from llm_engineering.domain.evaluation import Evaluation, QuestionOutcome
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.promotions import PromotionEvidence

EACH = 5
COURSES, LENGTHS = ("a", "b", "c"), ("short", "medium", "long")
RANKS = np.array([1, 2, 4, 8, 0])
CHANGED = 0.2
CHECKS = ("better", "slices")


def main() -> int:
    """Plan, simulate, print both shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--gain", type=float, default=0.03)
    given = parser.parse_args()
    settings = EvaluationSettings(resamples=1_000)
    before, after = candidates(np.random.default_rng(2**32 - 1), 4_000, given.gain)
    deviation = deviation_of(before, after, "ndcg@10")
    questions = questions_needed(deviation, given.gain, settings)
    family = len(settings.compared) * (1 + len(COURSES) + len(LENGTHS))
    print(f"planned for a gain of {given.gain:g} nDCG@10: {questions} questions, {family} comparisons a candidate")
    for name, gain in (("no better", 0.0), ("better", given.gain)):
        passed = sum(promoted(seed, questions // EACH, gain, settings) for seed in range(given.seeds))
        print(f"{name:<10} promoted {passed} of {given.seeds}: {passed / given.seeds:.1%}", flush=True)
    return 0


def promoted(seed: int, documents: int, gain: float, settings: EvaluationSettings) -> bool:
    """Return whether the gate lets a candidate through."""
    before, after = candidates(np.random.default_rng(seed), documents, gain)
    asked = (_evaluation("before", before), before), (_evaluation("after", after), after)
    comparison = compare(*asked, settings.model_copy(update={"seed": seed}), decisive=PromotionSettings().metric)
    case = Case(
        candidate=RegisteredModel(name="candidate", number=1, kind="embedder"),
        against="production",
        dataset=None,
        rows=(),
        evidence=PromotionEvidence(before=asked[0][0], after=asked[1][0], comparison=comparison),
    )
    return judge(case, PromotionSettings(), CHECKS).passed


def candidates(
    random: np.random.Generator, documents: int, gain: float
) -> tuple[list[QuestionOutcome], list[QuestionOutcome]]:
    """Return what production and candidate found for the questions about so many documents."""
    of = np.repeat(np.arange(documents), EACH)
    # Beta(3.5, 1.5) has the mean 0.7: of some documents nearly every question finds its answer at rank 1.
    first = random.beta(3.5, 1.5, size=documents)[of]
    before, drawn = _ranks(random, first), _ranks(random, first)
    after = np.where(random.random(len(of)) < CHANGED, drawn, before)
    missed = after == 0
    if gain:
        share = gain * len(of) / max(int(missed.sum()), 1)
        after = np.where(missed & (random.random(len(of)) < share), 1, after)
    slices = list(zip(random.choice(COURSES, documents)[of], random.choice(LENGTHS, len(of)), strict=True))
    return _outcomes(of, before, slices), _outcomes(of, after, slices)


def _ranks(random: np.random.Generator, first: np.ndarray) -> np.ndarray:
    rest = random.choice(RANKS[1:], size=len(first), p=[0.4, 0.2, 0.15, 0.25])
    return np.where(random.random(len(first)) < first, 1, rest)


def _outcomes(of: np.ndarray, ranks: np.ndarray, slices: Sequence[tuple[str, str]]) -> list[QuestionOutcome]:
    found = []
    for number, (document, rank, (course, length)) in enumerate(zip(of, ranks, slices, strict=True)):
        others = [f"other{place}" for place in range(10)]
        if rank:
            others[rank - 1] = f"d{document}"
        parts = (f"filter:course={course}", f"length={length}")
        found.append(QuestionOutcome(str(number), f"q{number}", (f"d{document}",), tuple(others), parts, 0.01))
    return found


def _evaluation(name: str, outcomes: Sequence[QuestionOutcome]) -> Evaluation:
    return Evaluation(
        id=name, name=name, subject={}, questions=len(outcomes), unknown=0, questions_digest="simulated",
        questions_from="simulated", depth=10, confidence=0.95, slices=(), p50_ms=0, p95_ms=0,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
