"""Language models compared by what they answer: the answers, their scores, and what these say of the models."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from llm_engineering.domain.evaluation import Estimate, EvaluationComparison
from llm_engineering.domain.evaluation_results import comparison_lines
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.value import Value


@dataclass(frozen=True)
class ModelAnswer:
    """What a model answers to a held-out instruction, beside the answer and the passage that the data set has.

    `finish` is stop or length; failed and too_long where there is no answer. `log_likelihood` is that of the data set's
    answer in nats, over `tokens` tokens; where it is not known (a model behind an address), `tokens` is 0.
    """

    model: str
    id: str
    cluster: str
    document_id: str
    instruction: str
    reference: str
    passage: str
    answer: str
    finish: str
    log_likelihood: float = 0.0
    tokens: int = 0

    @property
    def is_there(self) -> bool:
        """Whether the model answered at all, be it with nothing."""
        return self.finish in ("stop", "length")


@dataclass(frozen=True)
class ContentScore:
    """What a measure makes of an answer. With `other`, the value is by how much the answer is preferred to the other
    model's: 1, 0 or -1."""

    model: str
    id: str
    cluster: str
    metric: str
    value: float
    other: str = ""


class EvaluatedModel(Value):
    """A model that is to be compared: `name` as it was asked for, `reference` the very version.

    `weights` is the SHA-256 of the weights, and for a model behind an address empty. `registered` is the card of one of
    the registry. `seen` counts the held-out instructions that stand among the rows it learnt from, -1: nobody knows.
    """

    name: str
    reference: str
    weights: str = ""
    template: str = ""
    llm: str = ""
    path: str = ""
    revision: str | None = None
    registered: RegisteredModel | None = None
    seen: int = -1


class LlmEvaluationPlan(Value):
    """What is compared with which rows."""

    run: int
    dataset: str
    dataset_digest: str
    rows: int
    of: int
    models: tuple[EvaluatedModel, ...]


class ModelFigures(Value):
    """What the measures make of one model. `left_out` rows were too long for it, `failed` ones it could not answer."""

    model: EvaluatedModel
    rows: int
    left_out: int = 0
    failed: int = 0
    cut: int = 0
    words: float = 0.0
    metrics: dict[str, Estimate] = Field(default_factory=dict)


class Agreement(Value):
    """How far judgements of the same answers agree: Krippendorff's alpha, and the plain share that agrees.

    `trusted` says whether verdicts may rest on it, `reason` why not. `first` is how often the answer that was shown
    first was preferred among decided ones, `first_p` the chance of that or worse without a bias (pairs only).
    """

    what: str
    units: int
    alpha: float
    share: float
    trusted: bool
    reason: str = ""
    first: float | None = None
    first_p: float | None = None

    def __str__(self) -> str:
        first = "" if self.first is None else f"; the first answer was preferred in {self.first:.3f} of decided ones"
        return f"{self.what}: alpha {self.alpha:.3f}, {self.share:.3f} the same, {self.units} judged twice{first}; " + (
            "trusted" if self.trusted else f"NOT TRUSTED: {self.reason}"
        )


class JudgeAccount(Value):
    """What a judge was asked, and what that took. Tokens and cost (US dollars; None: not known) are of this run."""

    llm: str
    prompts: dict[str, str] = Field(default_factory=dict)
    asked: int = 0
    resumed: int = 0
    unasked: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    stopped: str = ""
    notes: tuple[str, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    failures: tuple[Incident, ...] = ()

    def trusts(self, metric: str) -> str:
        """Return why comparisons by a metric of the judge are not to be trusted; empty, if they are."""
        found = [one.reason for one in self.agreements if one.what == metric and not one.trusted]
        missing = not any(one.what == metric for one in self.agreements)
        return found[0] if found else "nothing was judged twice" if missing else ""

    def __str__(self) -> str:
        cost = "unknown" if self.cost is None else f"{self.cost:.4f} US dollars"
        lines = [
            f"judge {self.llm}: {self.asked} judgements, {self.resumed} known before, {self.failed} failed; "
            f"{self.input_tokens} + {self.output_tokens} tokens, cost {cost}"
            + (f"; {self.unasked} not asked: {self.stopped}" if self.unasked else ""),
            *(f"  {one}" for one in self.agreements),
            *(f"  {note}" for note in self.notes),
        ]
        return "\n".join(lines)


class AnswersAccount(Value):
    """What answering took of models behind addresses, and what failed."""

    resumed: int = 0
    unasked: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    stopped: str = ""
    failures: tuple[Incident, ...] = ()


class ShownAnswer(Value):
    """A row with what each model answered to it, for people to read."""

    instruction: str
    reference: str
    answers: dict[str, str]


class LlmEvaluationResult(Value):
    """How models answer the same held-out instructions.

    `id` is derived from models, rows and settings. `comparisons` are of each model with each one named before it, by
    reference. `page` is where the report as HTML lies.
    """

    id: str
    name: str
    dataset: str
    dataset_digest: str
    rows: int
    of: int
    rows_digest: str
    confidence: float
    models: tuple[ModelFigures, ...]
    comparisons: tuple[EvaluationComparison, ...] = ()
    judge: JudgeAccount | None = None
    answering: AnswersAccount = AnswersAccount()
    documents: tuple[str, ...] = ()
    shown: tuple[ShownAnswer, ...] = ()
    notes: tuple[str, ...] = ()
    run: int = 0
    created_at: str = ""
    page: str = ""

    @property
    def failures(self) -> tuple[Incident, ...]:
        """What failed, of answers and of judgements."""
        return (*self.answering.failures, *(self.judge.failures if self.judge else ()))

    @property
    def lost(self) -> int:
        """How many answers and judgements are missing."""
        return sum(one.failed for one in self.models) + (self.judge.failed + self.judge.unasked if self.judge else 0)

    def without_texts(self) -> "LlmEvaluationResult":
        """Return the result without instructions, answers and ids of documents."""
        return self.model_copy(update={"shown": (), "documents": ()})

    def facts(self) -> dict[str, str | int | float]:
        """Return the figures as flat facts, for whoever tracks runs. Models are numbered, as ZenML takes no colons."""
        found: dict[str, str | int | float] = {"evaluation": self.id, "dataset": self.dataset, "rows": self.rows}
        for place, one in enumerate(self.models):
            found[f"model {place}"] = one.model.reference
            found |= {f"{place} {name}": figure.value for name, figure in one.metrics.items()}
        number = {one.model.reference: place for place, one in enumerate(self.models)}
        for pair in self.comparisons:
            named = f"verdict {number[pair.after]} against {number[pair.before]}"
            found |= {f"{named} {one.metric}": str(one.verdict) for one in pair.comparisons}
        return found

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"evaluation {self.id}: {self.rows} of {self.of} held-out rows of {self.dataset}"
        for one in self.models:
            gone = f", {one.left_out} too long" if one.left_out else ""
            failed = f", {one.failed} without an answer" if one.failed else ""
            yield (
                f"{one.model.reference}: {one.rows} answers{gone}{failed}, {one.cut} cut at the limit, "
                f"{one.words:.1f} words each"
            )
            yield from (f"  {name:<15}{figure}" for name, figure in one.metrics.items())
        for pair in self.comparisons:
            yield f"{pair.after} compared with {pair.before}"
            yield from comparison_lines(pair)
        if self.judge:
            yield str(self.judge)
        yield from self.notes
        if self.page:
            yield f"report: {self.page}"
