"""What became of a run, whatever ran it."""

from dataclasses import dataclass

from llm_engineering.domain.reports import Incident, Report
from tools.command_line import FAILED, OK, USAGE


@dataclass(frozen=True)
class Outcome:
    """The report of a run, and what failed: empty if nothing did. `usage` says that the user can mend it."""

    report: Report
    error: str = ""
    usage: bool = False

    @property
    def exit_code(self) -> int:
        if not self.error:
            return OK
        return USAGE if self.usage else FAILED


def died(pipeline: str, run: int, where: str, reason: str, error: str) -> Report:
    """Return the report of a run that died in a step, so that programs that read reports need no second format."""
    incident = Incident(uri=where, source=pipeline, reason=reason, detail=error)
    return Report(pipeline=pipeline, run=run, found=1, failed=1, failures=(incident,))
