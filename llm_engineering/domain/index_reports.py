"""What a comparison of an index with its ledger and the warehouse found."""

from typing import Literal

from llm_engineering.domain.counting import counted
from llm_engineering.domain.value import Value


class Problem(Value):
    """One kind of damage to an index: how many are concerned, what is wrong with them, and the first ids."""

    kind: str
    count: int
    what: str
    examples: tuple[str, ...] = ()
    where: Literal["index", "published"] = "index"

    def __str__(self) -> str:
        more = " …" if self.count > len(self.examples) else ""
        copy = "in the published copy: " if self.where == "published" else ""
        return f"{copy}{self.count} {self.what}" + (f": {', '.join(self.examples)}{more}" if self.examples else "")


class VerifyReport(Value):
    """The comparison of ledger and store. `ready` means: equal, indexed and searchable."""

    collection: str = ""
    version: str = ""
    documents: int = 0
    chunks: int = 0
    points: int = 0
    payload_indexes: tuple[str, ...] = ()
    searchable: bool = False
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0

    @property
    def ready(self) -> bool:
        return not self.problems

    def summary(self) -> str:
        """Return the comparison for a person: one line, and one for each problem."""
        verdict = "is equal to its ledger and the warehouse" if self.ready else "is damaged"
        return "\n".join(
            [
                f"index {self.collection} {self.version} {verdict}: {counted(self.documents, 'document')}, "
                f"{counted(self.chunks, 'chunk')}, {counted(self.points, 'point')}, {self.seconds:.1f} s",
                *(f"{problem.kind}: {problem}" for problem in self.problems),
            ]
        )
