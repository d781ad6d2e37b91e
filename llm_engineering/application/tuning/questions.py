"""The questions of a tuning: those of the rows, and others that the index does not answer."""

from collections import defaultdict
from collections.abc import Sequence
from random import Random

from llm_engineering.application.datasets import held_questions, refuse_held_out
from llm_engineering.application.evaluation.general import general_questions
from llm_engineering.application.tuning.asking import TuningQuestion
from llm_engineering.domain.datasets import HeldQuestion, RetrievalPair, Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.tuning import TuningSettings
from llm_engineering.domain.value import Scalar, identity


def tuning_questions(rows: Sequence[RetrievalPair], settings: TuningSettings) -> dict[Split, list[TuningQuestion]]:
    """Return the questions to search with and those to compare with; too many of them are drawn by the seed.

    Raises:
        UsageError: a row is held out, or there are none of the origins to learn from.
    """
    known = refuse_held_out(rows)
    wanted = [row for row in known if row.origin in settings.origins]
    if not wanted:
        raise UsageError(
            f"the data set has no rows of origin {' or '.join(settings.origins)}, which the search could be tuned "
            f"with; it has {', '.join(sorted({row.origin for row in known})) or 'none at all'}: give real questions to "
            "the dataset pipeline, or name other origins in training.trainer.origins"
        )
    clusters = {document: row.cluster for row in wanted for document in row.documents}
    result: dict[Split, list[TuningQuestion]] = {}
    for split in (Split.TRAIN, Split.VALIDATION):
        asked = held_questions([row for row in wanted if row.split == split])
        if len(asked) > settings.questions:
            asked = Random(settings.seed).sample(asked, settings.questions)  # noqa: S311 - no secret
        result[split] = [TuningQuestion(one, clusters.get(one.documents[0], one.id)) for one in asked]
    if not result[Split.TRAIN]:
        raise UsageError(
            f"none of the {len(wanted)} rows of origin {' or '.join(settings.origins)} is in split train, and the "
            "search is tuned with those; make a data set of more documents, with smaller shares for the other splits, "
            "or name other origins in training.trainer.origins"
        )
    return result


def unanswerable(questions: dict[Split, list[TuningQuestion]], seed: int) -> dict[Split, list[TuningQuestion]]:
    """Return questions that the index has no answer to: of general knowledge, and real ones asked in a wrong place.

    A question that is limited to one value (a course) is asked within another one. A general question is in the split
    that its subject is drawn for.
    """
    chance = Random(seed)  # noqa: S311 - no secret
    values = _values(questions)
    subjects = sorted({question.subject for question in general_questions()[1]})
    chosen = set(chance.sample(subjects, len(subjects) // 2))
    result: dict[Split, list[TuningQuestion]] = {}
    for split, asked in questions.items():
        elsewhere = [_moved(one, values, chance) for one in asked]
        result[split] = [one for one in elsewhere if one is not None]
        for question in general_questions()[1]:
            if (question.subject in chosen) is (split is Split.TRAIN):
                held = HeldQuestion(identity("general", question.text), question.text, ())
                result[split].append(TuningQuestion(held, f"general {question.subject}"))
    return result


def _values(questions: dict[Split, list[TuningQuestion]]) -> dict[str, list[Scalar]]:
    values: defaultdict[str, dict[Scalar, None]] = defaultdict(dict)
    for asked in questions.values():
        for one in asked:
            for key, value in one.question.filter.items():
                values[key][value] = None
    return {key: list(known) for key, known in values.items()}


def _moved(one: TuningQuestion, values: dict[str, list[Scalar]], chance: Random) -> TuningQuestion | None:
    """Return a question within another value of its filter; None if there is none."""
    for key, value in one.question.filter.items():
        others = [other for other in values[key] if other != value]
        if others:
            limits = {**one.question.filter, key: chance.choice(others)}
            return TuningQuestion(
                HeldQuestion(f"{one.question.id} elsewhere", one.question.text, (), limits), one.cluster
            )
    return None
