"""The questions to look at: those that were not answered near the top."""

from collections.abc import Mapping, Sequence

from llm_engineering.application.evaluation.measures import values_of
from llm_engineering.application.evaluation.metrics import rank_of_first
from llm_engineering.application.evaluation.settings import EvaluationSettings, split_name
from llm_engineering.domain.datasets import HeldQuestion
from llm_engineering.domain.evaluation import QuestionOutcome
from llm_engineering.domain.evaluation_results import Missed

SHOWN_DOCUMENTS = 5


def near_of(settings: EvaluationSettings) -> int:
    """Return how near the top an answer has to be: the rank of the first metric that is compared."""
    return split_name(settings.compared[0])[1]


def missed_by(outcomes: Sequence[QuestionOutcome], near: int) -> list[tuple[int, QuestionOutcome]]:
    """Return the questions without an answer among the first `near` documents, with its rank: not found (0) first."""
    ranks = [(rank_of_first(one.found, one.relevant, len(one.found)), one) for one in outcomes]
    return sorted(
        (pair for pair in ranks if not 0 < pair[0] <= near), key=lambda pair: (pair[0] > 0, -pair[0], pair[1].id)
    )


def shown(
    misses: Sequence[tuple[int, QuestionOutcome]],
    questions: Mapping[str, HeldQuestion],
    names: Mapping[str, str],
) -> tuple[Missed, ...]:
    """Return misses as a person reads them: documents by the names (id → URI) that they have."""

    def named(ids: Sequence[str]) -> tuple[str, ...]:
        return tuple(names.get(document, document) for document in ids[:SHOWN_DOCUMENTS])

    return tuple(
        Missed(
            question=one.question,
            rank=rank,
            expected=named(one.relevant),
            found=named(one.found),
            filter=dict(questions[one.id].filter) if one.id in questions else {},
        )
        for rank, one in misses
    )


def hit_curve(outcomes: Sequence[QuestionOutcome], depth: int) -> tuple[float, ...]:
    """Return the hit rate at each rank from 1 to the depth."""
    values = values_of(outcomes, [f"hit@{k}" for k in range(1, depth + 1)])
    return tuple(round(float(value), 6) for value in values.mean(axis=0))
