"""The page of a feature run: what the index holds now, described once for each state of it, and drawn."""

from pathlib import Path

from loguru import logger
from pydantic import ValidationError

from llm_engineering.application.damage import read_again
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureEngineeringConfig
from llm_engineering.domain.corpus import Corpus, StepRate
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import Plan
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.reports import Report
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.run_pages import RunPages

# Raise this when the same index is described in another way.
DESCRIPTION = 2


def with_page(report: Report, plan: Plan, config: FeatureEngineeringConfig, warehouse: Warehouse) -> Report:
    """Return the report with what the index holds, and with the page that shows it; the page is written.

    A run whose index is what was asked for does not fail for want of its page: what went wrong is logged.
    """
    from llm_engineering.application.corpus import render

    pages = RunPages(Workspace().home, plan.collection)
    try:
        corpus = _corpus(pages, plan, config, warehouse)
        report = report.model_copy(update={"corpus": corpus.report, "steps": _steps(report)})
        path = pages.path(report.run).absolute()
        report = report.model_copy(update={"page": str(path)})
        pages.write(report.run, render(report, corpus, report.steps))
    except (BackendError, UsageError) as error:
        logger.warning("run {} has no page: {}", report.run, error)
        return report.model_copy(update={"page": ""})
    return report


def page_parts(report: Report) -> dict[str, str]:
    """Return the page of a run as `report`, and each of its parts that says something new, as HTML by name."""
    from llm_engineering.application.corpus import PARTS, render

    path = Path(report.page)
    if not report.page or report.corpus is None or not path.is_file():
        return {}
    shown = {"report": path.read_text(encoding="utf-8")}
    if not report.written and not report.removed:
        return shown
    corpus = _kept(RunPages(Workspace().home, report.corpus.collection), report.corpus.version)
    corpus = (corpus or Corpus()).model_copy(update={"report": report.corpus})
    return shown | {part: render(report, corpus, report.steps, [part]) for part in PARTS}


def _corpus(pages: RunPages, plan: Plan, config: FeatureEngineeringConfig, warehouse: Warehouse) -> Corpus:
    """Return the description of the index, made anew only if something of it changed."""
    duplicates = plan.duplicates.model_dump(mode="json") if plan.duplicates else None
    key = digest([DESCRIPTION, plan.manifest.fingerprint, plan.state, duplicates])
    known = _kept(pages, plan.manifest.version)
    if known is not None and known.key == key:
        return known
    from llm_engineering.application.corpus import describe

    with (
        Workspace().store(config.load, plan.run) as store,
        store.write(plan.manifest) as index,
        read_again(warehouse, plan.run),
    ):
        corpus = describe(plan, config.cleaning, index, warehouse, key)
    pages.write_corpus(plan.manifest.version, corpus.model_dump_json())
    return corpus


def _kept(pages: RunPages, version: str) -> Corpus | None:
    try:
        return Corpus.model_validate_json(pages.read_corpus(version) or "null")
    except ValidationError:
        return None  # another version of this code wrote it, or a kill cut it short


def _steps(report: Report) -> tuple[StepRate, ...]:
    """Return how fast the steps were, with the reading of the sources, where anything was made."""
    if not report.steps or not report.sources:
        return report.steps
    seconds = round(sum(source.seconds for source in report.sources), 3)
    read = report.found - report.deleted
    return (StepRate(step="ingest", seconds=seconds, documents=read), *report.steps)
