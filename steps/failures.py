"""What happens when a step fails: the run is closed in our ledger too, whoever started the pipeline."""

from zenml import get_step_context

from llm_engineering import stages


def close_failed_run(error: BaseException | None) -> None:
    """Close the run that the failed step belongs to, so that what it holds is free at once. A hook of the pipelines."""
    context = get_step_context()
    step = context.step_run.name
    opened = context.pipeline_run.steps.get("open_run")
    # `check` fails a run that is closed already; before `open_run` has ended there is nothing to close.
    if step == "check" or opened is None or opened.status != "completed":
        return
    number = opened.output.load()
    stages.fail_run(context.pipeline.name, number, step, type(error).__name__, str(error))
