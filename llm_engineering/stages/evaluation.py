"""Questions with known answers, asked of an index: read them, ask them, compare, write the report."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llm_engineering import bootstrap
from llm_engineering.application.evaluation import compare, relevant_documents
from llm_engineering.application.evaluation.asking import Search, ask, digest_of, evaluation_of
from llm_engineering.application.evaluation.former import former
from llm_engineering.application.evaluation.misses import hit_curve, missed_by, near_of, shown
from llm_engineering.application.evaluation.page import render
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.evaluating import Asked, Evaluating
from llm_engineering.domain.access import ALL
from llm_engineering.domain.datasets import HeldQuestion
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Evaluation, QuestionOutcome
from llm_engineering.domain.evaluation_results import EvaluationResult
from llm_engineering.domain.ports import Dataset
from llm_engineering.domain.queries import Filter, Hit
from llm_engineering.stages.telling import tell

if TYPE_CHECKING:
    from llm_engineering.infrastructure.parquet import ParquetDataset


def read_questions(config: Evaluating, run: int = 0) -> "ParquetDataset[HeldQuestion]":
    """Read the questions, and find the evaluation that is to be compared with before anything is asked.

    Raises:
        UsageError: there are none, or there is no such evaluation, or it asked other questions.
    """
    workspace = Workspace()
    if run:
        workspace.keep_alive(run)
    questions, _ = bootstrap.held_questions_of(config.evaluation, workspace)
    if config.evaluation.against:
        before = former(bootstrap.open_evaluations(workspace).all(), config.evaluation.against)
        if before.questions_digest != digest_of(questions):
            raise UsageError(
                f"evaluation {before.id} ({before.name}) asked other questions ({before.questions} from "
                f"{before.questions_from}) than are to be asked now ({len(questions)}), so the two could not be "
                "compared; evaluate with the same questions, or set evaluation.against to another evaluation, or to ''"
            )
    return workspace.spool(questions, HeldQuestion)


def ask_index(
    config: Evaluating, questions: Dataset[HeldQuestion], run: int, version: str = ""
) -> "tuple[Evaluation, ParquetDataset[QuestionOutcome]]":
    """Ask an index version (without a name the configured one) all questions; keep the evaluation and return it.

    Raises:
        UsageError: there is no such version, or no question names a document that is there.
    """
    workspace, settings = Workspace(), config.evaluation
    workspace.keep_alive(run)
    asked = list(questions)
    with bootstrap.asked_version(config, workspace, version or settings.index_version) as opened:
        subject = opened.subject
        with workspace.warehouse() as warehouse:
            places = warehouse.indexed_places(subject["collection"], subject["version"])
            relevant = relevant_documents(asked, places)
            known = warehouse.document_records("id", sorted(set().union(*relevant)))
            sources = {record.id: record.source for record in known}
        outcomes = ask(asked, relevant, _search(opened), sources, settings.depth, workspace.progress)
    origin = settings.questions.name if settings.questions else f"{settings.dataset}, {settings.split}"
    name = settings.name or subject["collection"]
    evaluation = evaluation_of(outcomes, digest_of(asked), origin, subject, settings, name)
    evaluation = evaluation.model_copy(update={"run": run, "created_at": datetime.now(UTC).isoformat()})
    bootstrap.open_evaluations(workspace).write(evaluation, outcomes)
    return evaluation, workspace.spool(outcomes, QuestionOutcome)


def compare_evaluations(
    config: Evaluating,
    evaluation: Evaluation,
    questions: Dataset[HeldQuestion],
    run: int,
    before: Evaluation | None = None,
) -> EvaluationResult:
    """Compare with the other evaluation, if there is one; list the questions to look at; write the report.

    Raises:
        UsageError: the other evaluation asked other questions, or did not look deep enough.
    """
    workspace, settings = Workspace(), config.evaluation
    workspace.keep_alive(run)
    store = bootstrap.open_evaluations(workspace)
    if before is None and settings.against:
        before = former(store.all(), settings.against, besides=evaluation.id)
    after = store.find(evaluation.id)
    old = store.find(before.id) if before else None
    near = near_of(settings)
    misses = missed_by(after[1], near)
    result = EvaluationResult(
        evaluation=evaluation,
        before=before,
        comparison=compare(old, after, settings) if old else None,
        curve=hit_curve(after[1], evaluation.depth),
        before_curve=hit_curve(old[1], old[0].depth) if old else (),
        near=near,
        misses=len(misses),
        missed=shown(
            misses[: settings.failures],
            {one.id: one for one in questions},
            _names(workspace, [one for _, one in misses[: settings.failures]]),
        ),
    )
    tell(config.tracking, evaluation, settings, workspace, "evaluation")
    return result.model_copy(update={"page": str(store.keep_page(evaluation.id, render(result)))})


def _search(opened: Asked) -> Search:
    def search(query: str, filter: Filter, k: int) -> Sequence[Hit]:
        return opened.version.search(query, ALL, filter, k, None).hits

    return search


def _names(workspace: Workspace, outcomes: Iterable[QuestionOutcome]) -> dict[str, str]:
    ids = {document for one in outcomes for document in (*one.relevant, *one.found)}
    with workspace.warehouse() as warehouse:
        return dict(warehouse.uris(ids))
