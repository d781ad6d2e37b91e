"""Questions with known answers, and how well an index version finds those."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_engineering.domain.value import Scalar, Value


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the documents that answer it, each named by id, URI, end of a URI, or record key.

    `filter` holds what its search is limited to.
    """

    text: str
    documents: tuple[str, ...]
    filter: Mapping[str, Scalar] = field(default_factory=dict)


class Figures(Value):
    """How well one index version answers the questions.

    `hit` is the share of questions with an answering document among the first k, `mrr` the mean of 1/rank of the first
    one (0 where there is none). Passages of one document count once.
    """

    version: str
    hit: float
    mrr: float

    def __str__(self) -> str:
        return f"{self.version} hit {self.hit:.3f}, MRR {self.mrr:.3f}"


class EvaluationReport(Value):
    """The figures of a version that is to be activated, and of the active one on the same questions.

    `skipped` says why there are none. `unknown` are questions whose documents no version holds; they count as missed.
    """

    questions: int = 0
    k: int = 0
    unknown: int = 0
    candidate: Figures | None = None
    active: Figures | None = None
    skipped: str = ""

    def __str__(self) -> str:
        if self.candidate is None:
            return f"not evaluated: {self.skipped}"
        against = f"; the active {self.active}" if self.active else ""
        lost = f"; {self.unknown} ask for documents that are not in the index" if self.unknown else ""
        return f"{self.questions} questions, k={self.k}: {self.candidate}{against}{lost}"
