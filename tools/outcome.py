"""What became of a run, whatever ran it."""

from dataclasses import dataclass

from llm_engineering.domain.reports import Report
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
