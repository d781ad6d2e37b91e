"""What a candidate for production has to prove, and what was found."""

from pydantic import Field

from llm_engineering.domain.evaluation import Evaluation, EvaluationComparison
from llm_engineering.domain.value import Value


class Check(Value):
    """One thing that a candidate has to prove. `detail` has the numbers, or the reason."""

    name: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        return f"{self.name}: {'passed' if self.passed else 'REFUSED'}: {self.detail}"


class GeneralFigures(Value):
    """nDCG@10 on the general set of questions, for each question: of the candidate, and of what it was made from.

    `digest` is that of the questions.
    """

    digest: str
    before: tuple[float, ...]
    after: tuple[float, ...]


class ContentEvidence(Value):
    """How a language model answers compared with what it is to follow: from the kept `evaluation` of that id.

    `problem` says why there is nothing, and what to do.
    """

    evaluation: str = ""
    dataset: str = ""
    comparison: EvaluationComparison | None = None
    problem: str = ""


class PromotionEvidence(Value):
    """What was measured for a verdict: the same held-out questions asked before and after, and the general ones.

    `content` is what a language model answers, where the gate asks for it. `problems` say what could not be
    measured, and why.
    """

    before: Evaluation | None = None
    after: Evaluation | None = None
    comparison: EvaluationComparison | None = None
    general: GeneralFigures | None = None
    problems: tuple[str, ...] = ()
    content: ContentEvidence | None = None


class PromotionVerdict(Value):
    """Whether a version may go into production, with every number that decided it.

    `against` is the version that it was compared with, or the base model that is configured. `index` is the index
    version that was built with it; empty where none is needed.
    """

    model: str
    against: str
    metric: str
    passed: bool
    checks: tuple[Check, ...]
    evidence: PromotionEvidence = Field(default_factory=PromotionEvidence)
    weights: str = ""
    collection: str = ""
    index: str = ""
    run: int = 0
    at: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was refused."""
        return tuple(check.detail for check in self.checks if not check.passed)

    def __str__(self) -> str:
        verdict = "may go into production" if self.passed else "is refused"
        return "\n".join(
            [f"{self.model} {verdict}, compared with {self.against}", *(f"  {one}" for one in self.checks)]
        )


class PromotionReport(Value):
    """What a promotion did. `promoted` is false where the candidate was refused, or is in production already."""

    model: str
    promoted: bool
    left: str = ""
    index: str = ""
    index_left: str = ""
    verdict: PromotionVerdict | None = None
    note: str = ""

    def __str__(self) -> str:
        indexes = (
            f"; index {self.index} in place of {self.index_left or 'none'}" if self.index and self.promoted else ""
        )
        done = f"{self.model} is in production in place of {self.left}{indexes}" if self.promoted else self.note
        return f"{self.verdict}\n{done}" if self.verdict else done
