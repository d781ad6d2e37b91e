"""Add up what the stages of a run reported, and judge it by the limits."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

from llm_engineering.domain.errors import GateFailed
from llm_engineering.domain.evaluation import EvaluationReport
from llm_engineering.domain.evaluation_results import EvaluationResult
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.index_reports import VerifyReport
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.llm_evaluation import LlmEvaluationResult
from llm_engineering.domain.promotions import PromotionReport
from llm_engineering.domain.reports import BatchReport, DatasetReport, IngestReport, LoadReport, Report
from llm_engineering.domain.secrets import redact
from llm_engineering.domain.training import TrainingReport

# The counters of documents, or of what is counted in their place, and what of it was refused or failed.
Account = tuple[dict[str, int], IngestReport]


class Made(TypedDict, total=False):
    """What a pipeline other than those of features made; one of them at most has a value."""

    batch: BatchReport | None
    dataset: DatasetReport | None
    training: TrainingReport | None
    promotion: PromotionReport | None
    measured: EvaluationResult | None
    llms: LlmEvaluationResult | None


def add_up(
    pipeline: str,
    run: int,
    seconds: float,
    ingested: Sequence[IngestReport] = (),
    plan: Plan | None = None,
    loaded: LoadReport | None = None,
    verified: VerifyReport | None = None,
    evaluated: EvaluationReport | None = None,
    **made: Unpack[Made],
) -> Report:
    """Return the account of a run.

    The counters of documents are those of the sources; a run without sources counts what the plan found between
    warehouse and index.
    """
    loaded = loaded or LoadReport()
    verified = verified or VerifyReport()
    documents, books = _made(made) or _read(ingested, plan, loaded)
    if measured := made.get("measured"):
        made["measured"] = measured.without_questions()
    if llms := made.get("llms"):
        made["llms"] = llms.without_texts()
    return Report(
        pipeline=pipeline,
        run=run,
        **documents,
        chunks=verified.chunks,
        embedded=loaded.embedded,
        reused=loaded.reused,
        written=loaded.written,
        removed=loaded.removed,
        languages=loaded.languages,
        pii=loaded.pii,
        points=verified.points,
        index_version=plan.manifest.version if plan else "",
        seconds=round(seconds, 3),
        sources=books.sources,
        rejections=books.rejections,
        failures=books.failures,
        evaluation=evaluated,
        steps=loaded.steps,
        **made,
    )


def _read(ingested: Sequence[IngestReport], plan: Plan | None, loaded: LoadReport) -> Account:
    """Return the account of a run that reads sources or makes an index."""
    rejections = (item for report in ingested for item in report.rejections)
    books = IngestReport(
        sources=tuple(source for report in ingested for source in report.sources),
        rejections=(*rejections, *loaded.rejections),
        failures=tuple(item for report in ingested for item in report.failures),
    )
    if plan and not books.sources:
        return _planned(plan), books
    counters = ("found", "new", "changed", "unchanged", "deleted", "rejected", "failed")
    return {name: books.total(name) for name in counters}, books


def _made(made: Made) -> Account | None:
    """Return the account of what else a pipeline made, where that is counted in the place of documents."""
    if dataset := made.get("dataset"):
        return _collected(dataset), IngestReport(failures=dataset.failures)
    if llms := made.get("llms"):
        counts = {"found": llms.rows + llms.lost, "new": llms.rows, "failed": llms.lost}
        return counts, IngestReport(failures=llms.failures)
    if measured := made.get("measured"):
        return {"found": measured.evaluation.questions, "new": measured.evaluation.questions}, IngestReport()
    if batch := made.get("batch"):
        return _asked(batch), IngestReport(rejections=batch.rejections, failures=batch.failures)
    return None


def _collected(dataset: DatasetReport) -> dict[str, int]:
    """Return the rows of a data set under the names of documents: they are new; what was dropped is in its report."""
    rows, failed = sum(dataset.rows.values()), len(dataset.failures)
    return {"found": rows + failed, "new": rows, "failed": failed}


def _asked(batch: BatchReport) -> dict[str, int]:
    """Return the rows of a batch under the names of documents: known answers are unchanged, those of this run new."""
    known = batch.answered + batch.no_answer
    lost = batch.failed + batch.unasked
    counts = {"new": known - batch.resumed, "unchanged": batch.resumed, "rejected": batch.rejected, "failed": lost}
    return {"found": batch.rows, **counts}


def _planned(plan: Plan) -> dict[str, int]:
    removed = len(plan.removed)
    counts = {"new": plan.new, "changed": plan.changed, "unchanged": plan.unchanged, "deleted": removed}
    return {"found": sum(counts.values()), **counts}


def died(pipeline: str, run: int, step: str, reason: str, error: str) -> Report:
    """Return the report of a run that died in a step, so that those who read reports need no second format."""
    incident = Incident(uri=step, source=pipeline, reason=reason, detail=redact(error))
    return Report(pipeline=pipeline, run=run, found=1, failed=1, failures=(incident,))


def check(report: Report, failures: int | None, rejections: int | None) -> None:
    """Raise if the report has more failures or rejections than allowed; None allows any number.

    Raises:
        GateFailed: with the report as verdict, and the first incidents in the message.
    """
    excess = [
        f"{count} {what} (limits.{what} allows {allowed}): {_list(incidents, count)}"
        for what, count, allowed, incidents in (
            # A report of many lists only the first ones.
            ("failures", max(len(report.failures), report.failed), failures, report.failures),
            # A good document that is now rejected as gone counts as deleted, but is a rejection all the same.
            ("rejections", max(len(report.rejections), report.rejected), rejections, report.rejections),
        )
        if allowed is not None and count > allowed
    ]
    if excess:
        raise GateFailed("; ".join(excess), report)


def _list(incidents: Sequence[Incident], count: int, most: int = 5) -> str:
    shown = [f"{incident.uri}: {incident.detail}" for incident in incidents[:most]]
    return "; ".join(shown) + (f"; and {count - most} more" if count > most else "")
