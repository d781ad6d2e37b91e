"""What a version has to pass before readers see it, and the switch."""

from loguru import logger

from llm_engineering import bootstrap
from llm_engineering.application import (
    evaluation,
    verification,
    versioning,
)
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.promoting import needed_versions
from llm_engineering.config import FeatureEngineeringConfig, Load
from llm_engineering.domain.errors import GateFailed
from llm_engineering.domain.evaluation import EvaluationReport
from llm_engineering.domain.index_reports import VerifyReport
from llm_engineering.domain.indexes import Plan


def verify(plan: Plan, section: Load) -> VerifyReport:
    """Prove that the index version holds exactly what the ledger says, and can be searched.

    Raises:
        GateFailed: it does not; the version is not activated.
    """
    workspace = Workspace()
    workspace.keep_alive(plan.run)
    with (
        workspace.warehouse() as warehouse,
        workspace.store(section, plan.run) as store,
        store.write(plan.manifest) as index,
    ):
        # A version that readers are about to see for the first time is compared point by point.
        report = verification.examine(warehouse, index, plan.collection, deep=plan.activates).report()
    if not report.ready:
        raise GateFailed(
            f"index {plan.collection} {plan.manifest.version} is not ready: {'; '.join(map(str, report.problems))}. "
            "What was active stays active; run the pipeline again to repair it.",
            report,
        )
    return report


def evaluate(plan: Plan, config: FeatureEngineeringConfig) -> EvaluationReport:
    """Ask a version that readers are about to see the questions of the gate, and the active version too.

    Nothing is opened where there are no questions, or readers go on with the version that they have.

    Raises:
        GateFailed: it answers too few of them; it is not activated.
        UsageError: the questions cannot be read, or the active version's model cannot be opened to compare with.
    """
    if config.gate.questions is None:
        return EvaluationReport(skipped="there are no questions")
    workspace = Workspace()
    workspace.keep_alive(plan.run)
    with workspace.store(config.load, plan.run) as store:
        if not plan.activates or versioning.seen(store) == plan.manifest.version:
            return EvaluationReport(skipped="readers go on with the version that they have")
        with workspace.warehouse() as warehouse, bootstrap.searching_both(config, store, plan) as (candidate, active):
            questions = bootstrap.questions_of(config.gate)
            places = warehouse.indexed_places(plan.collection, plan.manifest.version)
            relevant = evaluation.relevant_documents(questions, places)
            result = evaluation.evaluate(
                questions, relevant, candidate, active, config.retrieval, config.gate.k, workspace.progress
            )
    logger.info("evaluation: {}", result)
    evaluation.judge(result, config.gate.min_hit, config.gate.max_loss)
    return result


def activate(plan: Plan, verified: VerifyReport, section: Load) -> str:
    """Let readers see the verified index version from now on, and drop what the policy keeps no longer.

    Returns:
        The id of the version.
    """
    version = plan.manifest.version
    if verified.ready and plan.serves:
        workspace = Workspace()
        with workspace.warehouse() as warehouse, workspace.store(section, plan.run) as store:
            # Also if there is nothing to publish: the last run may have been killed after that.
            if plan.is_empty:
                versioning.note(warehouse, store, plan.collection, plan.run)
            else:
                versioning.publish(warehouse, store, plan.collection, version, plan.run)
            needed = needed_versions(workspace, plan.collection)
            versioning.prune(warehouse, store, plan.collection, section.keep_versions, plan.run, needed)
    return version
