"""Tell the trackers of an evaluation."""

from collections.abc import Sequence

from llm_engineering.application.evaluation.settings import EvaluationSettings
from llm_engineering.application.llm_evaluation import LlmEvaluationSettings
from llm_engineering.bootstrap import Workspace, open_trackers
from llm_engineering.domain.evaluation import Evaluation
from llm_engineering.domain.llm_evaluation import LlmEvaluationResult
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


def tell_llms(
    trackers: Sequence[TrackerSpec],
    result: LlmEvaluationResult,
    settings: LlmEvaluationSettings,
    workspace: Workspace,
) -> None:
    """Tell how language models compare, as a run of its own. The report stays here, for it quotes the corpus."""
    with open_trackers(trackers, workspace).run(result.name, {"pipeline": "llm_evaluation"}) as tracked:
        models = {str(place): one.model.reference for place, one in enumerate(result.models)}
        tracked.parameters(flattened({"llm_evaluation": settings.model_dump(mode="json"), "models": models}))
        for place, one in enumerate(result.models):
            tracked.metrics({f"{place}/{name}": figure.value for name, figure in one.metrics.items()})
