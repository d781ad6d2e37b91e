"""What a look at an installation found: one verdict for each thing that is needed, or could be."""

from collections.abc import Iterable
from typing import Literal

from llm_engineering.domain.value import Value

# `missing` and `broken` stand in the way of a run; what is `optional` is not there, and need not be.
Verdict = Literal["fine", "missing", "broken", "optional"]


class Check(Value):
    """One thing that was looked at: what was found, in a sentence, and what to type where something is to be done."""

    name: str
    verdict: Verdict
    found: str
    type: str = ""

    @property
    def passes(self) -> bool:
        """Whether nothing needed is missing."""
        return self.verdict in ("fine", "optional")

    def __str__(self) -> str:
        advice = f"\n{'':<10}type: {self.type}" if self.type else ""
        return f"{self.verdict:<9} {self.name}: {self.found}{advice}"


def all_pass(checks: Iterable[Check]) -> bool:
    """Return whether nothing needed is missing."""
    return all(check.passes for check in checks)


def fine(name: str, found: str) -> Check:
    """Return the finding that all is well."""
    return Check(name=name, verdict="fine", found=found)


def missing(name: str, found: str, type: str) -> Check:
    """Return the finding that something needed is not there."""
    return Check(name=name, verdict="missing", found=found, type=type)


def broken(name: str, found: str, type: str = "") -> Check:
    """Return the finding that something is there and does not work."""
    return Check(name=name, verdict="broken", found=found, type=type)


def optional(name: str, found: str, type: str = "") -> Check:
    """Return the finding that something is not there, and need not be."""
    return Check(name=name, verdict="optional", found=found, type=type)
