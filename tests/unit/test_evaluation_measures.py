"""The measures agree with TREC's own tools, to the last place that these print."""

from collections.abc import Iterator

import numpy as np
import pytest
from evaluated import outcome

from llm_engineering.application.evaluation.measures import measure, values_of
from llm_engineering.application.evaluation.settings import EvaluationSettings, split_name
from llm_engineering.domain.evaluation import QuestionOutcome

NAMES = tuple(f"{metric}@{k}" for metric in ("hit", "mrr", "ndcg", "recall", "map") for k in (1, 3, 5, 10, 20))


def random_outcomes(seed: int, questions: int = 200) -> Iterator[QuestionOutcome]:
    """Yield questions with one to twelve relevant documents, of which searches found some, or nothing at all."""
    generator = np.random.default_rng(seed)
    for number in range(questions):
        pool = [f"d{place}" for place in generator.permutation(40)]
        relevant = tuple(pool[: generator.integers(1, 13)])
        found = tuple(str(name) for name in generator.permutation(pool)[: generator.integers(0, 21)])
        yield QuestionOutcome(str(number), f"question {number}", relevant, found, (), 0.0)


def test_every_measure_is_that_of_ir_measures() -> None:
    ir_measures = pytest.importorskip("ir_measures")
    pytest.importorskip("pytrec_eval", reason="ir-measures computes these with pytrec-eval-terrier")
    theirs = {"hit": "Success", "mrr": "RR", "ndcg": "nDCG", "recall": "R", "map": "AP"}
    outcomes = list(random_outcomes(seed=1))
    judged = [ir_measures.Qrel(one.id, document, 1) for one in outcomes for document in one.relevant]
    run = [
        ir_measures.ScoredDoc(one.id, document, float(len(one.found) - place))
        for one in outcomes
        for place, document in enumerate(one.found)
    ]
    values = values_of(outcomes, NAMES)
    for column, name in enumerate(NAMES):
        metric, k = split_name(name)
        asked = ir_measures.parse_measure(f"{theirs[metric]}@{k}")
        expected = {each.query_id: each.value for each in ir_measures.iter_calc([asked], judged, run)}
        for row, one in enumerate(outcomes):
            # A question for which nothing was found is in no run of theirs; it counts as missed.
            assert values[row, column] == pytest.approx(expected.get(one.id, 0.0), abs=1e-6), (name, one)


def test_passages_of_one_document_count_once() -> None:
    twice = QuestionOutcome("1", "q", ("b",), ("a", "a", "a", "b"), (), 0.0)
    assert values_of([twice], ["mrr@2", "hit@1"]).tolist() == [[0.5, 0.0]]


def test_a_question_whose_document_is_nowhere_counts_as_missed() -> None:
    unknown = QuestionOutcome("1", "q", (), ("a", "b"), (), 0.0)
    assert values_of([unknown], NAMES).sum() == 0.0


def test_nothing_found_is_no_error() -> None:
    nothing = QuestionOutcome("1", "q", ("a",), (), (), 0.0)
    assert values_of([nothing, nothing], NAMES).sum() == 0.0


def test_slices_are_measured_apart_and_only_those_that_were_asked_for() -> None:
    outcomes = [
        *(outcome(number, 1, slices=("source=faq", "filter:course=a")) for number in range(40)),
        *(outcome(number, 0, slices=("source=web", "length=long")) for number in range(40, 60)),
    ]
    figures = {one.slice: one for one in measure(outcomes, EvaluationSettings(slices=("source", "course")))}
    assert list(figures) == ["all", "filter:course=a", "source=faq", "source=web"]
    assert figures["all"].metrics["hit@5"].value == pytest.approx(2 / 3)
    assert figures["source=faq"].metrics["mrr@5"].value == 1.0
    assert figures["source=web"].metrics["mrr@5"].value == 0.0
    assert figures["source=web"].metrics["mrr@5"].high > 0.0
    assert figures["source=web"].questions == 20


def test_no_questions_have_no_figures() -> None:
    assert measure([], EvaluationSettings())[0].metrics == {}


@pytest.mark.parametrize("name", ["", "hit", "hit@0", "hit@101", "auc@5", "hit@5.0", "hit@-1", "hit@²"])
def test_what_is_no_metric_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no metric"):
        EvaluationSettings(compared=(name,))
