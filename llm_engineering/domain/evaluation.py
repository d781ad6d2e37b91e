"""Questions with known answers, and how well an index version finds those."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

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


class Estimate(Value):
    """A figure from n questions, with the interval that holds the true one with the confidence of the evaluation."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class QuestionOutcome:
    """What a search found for one question.

    `found` are the ids of distinct documents, best first, `relevant` those that answer it. `slices` are the groups
    that it counts in ('source=faq', 'length=short'). `seconds` is the time of the search.
    """

    id: str
    question: str
    relevant: tuple[str, ...]
    found: tuple[str, ...]
    slices: tuple[str, ...]
    seconds: float


class SliceFigures(Value):
    """The figures of a group of questions; slice 'all' has all of them."""

    slice: str
    questions: int
    metrics: dict[str, Estimate]


class Evaluation(Value):
    """How well a search answers a set of questions.

    `id` is derived from subject and questions. `subject` says what was asked: collection, index version, its
    fingerprint, the model's digest, the digest of the retrieval settings. `questions_digest` covers the questions with
    their documents: only evaluations with the same one can be compared. `depth` is how many documents were looked at.
    """

    id: str
    name: str
    subject: dict[str, str]
    questions: int
    unknown: int
    questions_digest: str
    questions_from: str
    depth: int
    confidence: float
    slices: tuple[SliceFigures, ...]
    p50_ms: float
    p95_ms: float
    run: int = 0
    created_at: str = ""


# better, worse: shown, after correction for all comparisons made together. same: a difference of the size that matters
# would have been seen, and was not. unclear: there are not enough questions to say.
Verdict = Literal["better", "worse", "same", "unclear"]


class Comparison(Value):
    """Two evaluations of the same questions on one metric and slice: `after` minus `before`.

    `p` is of a paired randomisation test, two-sided, `adjusted` after Holm's correction over all comparisons that were
    made together (the same as `p` for one that stands by itself). `detectable` is the least true difference that so
    many questions show with the power asked for, `needed` how many questions a difference that matters asks for.
    `reason` says the verdict in words.
    """

    metric: str
    slice: str
    questions: int
    before: float
    after: float
    difference: Estimate
    p: float
    adjusted: float
    detectable: float
    verdict: Verdict
    needed: int = 0
    reason: str = ""


class EvaluationComparison(Value):
    """All comparisons of two evaluations, with their ids."""

    before: str
    after: str
    comparisons: tuple[Comparison, ...]

    def of(self, metric: str, slice: str = "all") -> Comparison:
        """Return the comparison of a metric on a slice."""
        return next(one for one in self.comparisons if (one.metric, one.slice) == (metric, slice))
