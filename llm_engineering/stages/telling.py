"""Tell the trackers of an evaluation."""

from collections.abc import Sequence

from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.bootstrap import Workspace, open_trackers
from llm_engineering.domain.evaluation import Evaluation
from llm_engineering.domain.value import flattened
from llm_engineering.infrastructure.trackers import TrackerSpec


def tell(
    trackers: Sequence[TrackerSpec],
    evaluation: Evaluation,
    settings: EvaluationSettings,
    workspace: Workspace,
    pipeline: str,
) -> None:
    """Tell what was asked and what came out, as a run of its own. The report stays here, for it quotes the corpus."""
    with open_trackers(trackers, workspace).run(evaluation.name, {"pipeline": pipeline}) as tracked:
        parameters = {"evaluation": settings.model_dump(mode="json"), "subject": evaluation.subject}
        tracked.parameters(flattened(parameters))
        for part in evaluation.slices:
            prefix = "" if part.slice == "all" else f"{part.slice}/"
            tracked.metrics({f"{prefix}{name}": figure.value for name, figure in part.metrics.items()})
        tracked.metrics({"p50_ms": evaluation.p50_ms, "p95_ms": evaluation.p95_ms})
