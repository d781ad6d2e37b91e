"""From questions to a better retriever in production: `python -m tools.training_loop --config FILE`.

It runs the pipelines feature → dataset → evaluation → training → promotion, each in a process of its own, and prints
what changed. Run again after it was stopped, each pipeline goes on where it was. A training that had ended is done
again, and makes a further version.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.command_line import FAILED, OK, add_config_options, guarded

if TYPE_CHECKING:
    from llm_engineering.domain.evaluation import EvaluationComparison
    from llm_engineering.domain.reports import Report


class Ended(Exception):  # noqa: N818 - it ends the loop, whether that is an error or not
    """A pipeline failed; its own message has said why."""

    def __init__(self, pipeline: str, code: int) -> None:
        super().__init__(f"pipeline {pipeline} ended with exit code {code}")
        self.code = code


@dataclass
class Loop:
    """The pipelines of one loop, and how long each took."""

    arguments: argparse.Namespace
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, pipeline: str, *settings: str) -> "Report":
        """Run a pipeline with further settings and return its report.

        Raises:
            Ended: it failed. A promotion that was refused is a report all the same.
        """
        from llm_engineering.domain.reports import Report

        overrides = [part for setting in (*self.arguments.overrides, *settings) for part in ("--set", setting)]
        config = ["--config", str(self.arguments.config)] if self.arguments.config else []
        how = ["--plain"] if self.arguments.plain else []
        command = [sys.executable, "-m", "tools.run", pipeline, *config, *overrides, *how, "--json"]
        print(f"— {pipeline}", file=sys.stderr, flush=True)
        started = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own command
        self.seconds[pipeline] = time.perf_counter() - started
        lines = done.stdout.splitlines()
        report = Report.model_validate_json(lines[-1]) if lines else None
        refused = report is not None and report.promotion is not None
        if report is None or (done.returncode and not refused):
            raise Ended(pipeline, done.returncode or FAILED)
        return report


def main() -> int:
    """Run the loop and print what it changed."""
    arguments = _parser().parse_args()
    loop = Loop(arguments)
    try:
        outcome = improve(loop)
    except Ended as end:
        print(f"failed: {end}; what it had done is kept, run again to go on", file=sys.stderr)
        return end.code
    print(outcome.model_dump_json() if arguments.json else told(loop, outcome), flush=True)
    return OK if outcome.promotion and outcome.promotion.promoted else FAILED


def improve(loop: Loop) -> "Report":
    """Run the pipelines one after the other, each with what the one before it has made; return the last report."""
    loop.run("feature")
    data = loop.run("dataset").dataset
    assert data is not None  # noqa: S101 - the pipeline makes one or fails
    loop.run("evaluation", f"evaluation.dataset={data.reference}", "evaluation.questions=null")
    trained = loop.run("training", f"training.dataset={data.reference}").training
    assert trained is not None  # noqa: S101 - the same
    return loop.run("promotion", f"promotion.model={trained.model}")


def told(loop: Loop, report: "Report") -> str:
    """Return the loop for a person: times, the verdict, and the figures before and after."""
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in loop.seconds.items())
    lines = [f"{times}; {sum(loop.seconds.values()) / 60:.1f} minutes in all", str(report.promotion)]
    verdict = report.promotion.verdict if report.promotion else None
    if verdict and verdict.evidence.comparison:
        lines += ["", *_table(verdict.evidence.comparison)]
    return "\n".join(lines)


def _table(comparison: "EvaluationComparison") -> list[str]:
    lines = [f"{'held-out questions':<20}{'before':>8}{'after':>8}{'difference':>26}{'p':>9}  verdict"]
    for one in comparison.comparisons:
        if one.slice == "all":
            figures = f"{one.before:>8.3f}{one.after:>8.3f}{one.difference!s:>26}{one.adjusted:>9.4f}"
            lines.append(f"{one.metric:<20}{figures}  {one.verdict}")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.training_loop",
        description="Make a data set, train, evaluate, and promote what is shown to be better, with its index.",
    )
    add_config_options(parser)
    parser.add_argument("--plain", action="store_true", help="run in plain Python, without ZenML")
    parser.add_argument("--json", action="store_true", help="print the last report as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
