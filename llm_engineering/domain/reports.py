"""What a run did, in numbers that balance: found = new + changed + unchanged + deleted + rejected + failed."""

from pydantic import Field

from llm_engineering.domain.corpus import CorpusReport, StepRate
from llm_engineering.domain.counting import counted
from llm_engineering.domain.evaluation import EvaluationReport
from llm_engineering.domain.evaluation_results import EvaluationResult
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.index_reports import Problem, VerifyReport
from llm_engineering.domain.instructions import GateFigure
from llm_engineering.domain.llm_evaluation import LlmEvaluationResult
from llm_engineering.domain.promotions import PromotionReport
from llm_engineering.domain.training import TrainingReport
from llm_engineering.domain.value import Value


class SourceReport(Value):
    """The account of one source. `found` counts what the source showed and what it showed before and no longer does."""

    source: str
    kind: str
    found: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    failed: int = 0
    complete: bool = True
    seconds: float = 0.0

    @property
    def balances(self) -> bool:
        return self.found == self.new + self.changed + self.unchanged + self.deleted + self.rejected + self.failed


class IngestReport(Value):
    """The accounts of all sources of a run, and every rejection and failure with its reason."""

    sources: tuple[SourceReport, ...] = ()
    rejections: tuple[Incident, ...] = ()
    failures: tuple[Incident, ...] = ()

    def total(self, counter: str) -> int:
        """Sum one counter (`found`, `new` …) over the sources."""
        return sum(int(getattr(source, counter)) for source in self.sources)


class LoadReport(Value):
    """What was written to an index version, and how fast each step up to here was.

    `rejected` documents were refused by a cleaner; the first of them are listed. `languages` counts documents, `pii`
    findings by kind, where cleaners look for them.
    """

    chunks: int = 0
    embedded: int = 0
    reused: int = 0
    written: int = 0
    removed: int = 0
    rejected: int = 0
    rejections: tuple[Incident, ...] = ()
    languages: dict[str, int] = Field(default_factory=dict)
    pii: dict[str, int] = Field(default_factory=dict)
    steps: tuple[StepRate, ...] = ()


class BatchReport(Value):
    """What a batch did: rows = answered + no_answer + rejected + failed + unasked.

    `resumed` of the answered ones were known from a run before. Tokens, cost (US dollars; None: not known) and
    `rows_per_second` are of this run. `stopped` says which budget was spent, if one was.
    """

    rows: int = 0
    answered: int = 0
    no_answer: int = 0
    rejected: int = 0
    failed: int = 0
    unasked: int = 0
    resumed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0
    rows_per_second: float = 0.0
    output: str = ""
    stopped: str = ""
    rejections: tuple[Incident, ...] = ()
    failures: tuple[Incident, ...] = ()

    @property
    def balances(self) -> bool:
        return self.rows == self.answered + self.no_answer + self.rejected + self.failed + self.unasked

    def __str__(self) -> str:
        cost = "unknown" if self.cost is None else f"{self.cost:.4f} US dollars"
        return (
            f"{self.rows} rows = {self.answered} answered + {self.no_answer} without an answer + {self.rejected} "
            f"rejected + {self.failed} failed + {self.unasked} not asked; {self.resumed} were answered before; "
            f"{self.input_tokens} + {self.output_tokens} tokens, cost {cost}, {self.rows_per_second:.1f} rows/s"
            + (f"; answers in {self.output}" if self.output else "")
        )


class DatasetReport(Value):
    """What a data set was made of: `questions` were collected, by origin; `rows` by split is what became of them.

    `dropped` counts by reason. Tokens and cost (US dollars; None: not known) are of this run; `resumed` replies of a
    model were paid for before, `unasked` passages were not read because `stopped`. `gates` are the figures of a data
    set for language models, which has no negatives.
    """

    reference: str = ""
    questions: dict[str, int] = Field(default_factory=dict)
    rows: dict[str, int] = Field(default_factory=dict)
    origins: dict[str, int] = Field(default_factory=dict)
    dropped: dict[str, int] = Field(default_factory=dict)
    documents: int = 0
    clusters: int = 0
    negatives: float = 0.0
    gates: tuple[GateFigure, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    resumed: int = 0
    unasked: int = 0
    stopped: str = ""
    failures: tuple[Incident, ...] = ()

    def __str__(self) -> str:
        def listed(counts: dict[str, int]) -> str:
            return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"

        cost = "unknown" if self.cost is None else f"{self.cost:.4f} US dollars"
        paid = f"; {self.input_tokens} + {self.output_tokens} tokens, cost {cost}, {self.resumed} replies known before"
        return (
            f"data set {self.reference}: rows {listed(self.rows)} ({listed(self.origins)}) of {self.documents} "
            f"documents in {self.clusters} clusters"
            + ("" if self.gates else f", {self.negatives:.1f} negatives each")
            + f"; dropped {listed(self.dropped)}"
            + (paid if self.input_tokens or self.resumed else "")
            + (f"; {self.unasked} passages were not read: {self.stopped}" if self.unasked else "")
            + "".join(f"\ngate {gate}" for gate in self.gates)
        )


class Report(Value):
    """The account of a whole run; `tools.run --json` prints it as the last line of standard output.

    `chunks` and `points` are totals of the index version after the run; `embedded`, `written` and `removed` are what
    this run did to get there. `corpus` describes what the version holds; `page` is where all of it is shown as HTML.
    """

    pipeline: str
    run: int
    found: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    failed: int = 0
    chunks: int = 0
    embedded: int = 0
    reused: int = 0
    written: int = 0
    removed: int = 0
    points: int = 0
    index_version: str = ""
    seconds: float = 0.0
    languages: dict[str, int] = Field(default_factory=dict)
    pii: dict[str, int] = Field(default_factory=dict)
    sources: tuple[SourceReport, ...] = ()
    rejections: tuple[Incident, ...] = ()
    failures: tuple[Incident, ...] = ()
    evaluation: EvaluationReport | None = None
    batch: BatchReport | None = None
    training: TrainingReport | None = None
    promotion: PromotionReport | None = None
    measured: EvaluationResult | None = None
    dataset: DatasetReport | None = None
    llms: LlmEvaluationResult | None = None
    steps: tuple[StepRate, ...] = ()
    corpus: CorpusReport | None = None
    page: str = ""

    @property
    def _duplicates(self) -> list[str]:
        found = self.corpus.duplicates if self.corpus else None
        return [str(found)] if found and found.duplicates else []

    @property
    def _documents(self) -> str:
        return (
            f"documents: {self.found} found = {self.new} new + {self.changed} changed + {self.unchanged} unchanged "
            f"+ {self.deleted} deleted + {self.rejected} rejected + {self.failed} failed"
        )

    def summary(self) -> str:
        """Return the account for a person: one line for documents or a batch, for the index, for each incident."""
        index = (
            f"index {self.index_version}: {counted(self.points, 'point')} for {counted(self.chunks, 'chunk')}; "
            f"this run embedded {self.embedded}, reused {self.reused}, wrote {self.written}, removed {self.removed}"
        )
        return "\n".join(
            [
                f"{self.pipeline}, run {self.run}, {self.seconds:.1f} s",
                str(self.batch or self.dataset or self.training or self.measured or self.llms or self._documents),
                *([index] if self.index_version else []),
                *([f"languages of what was indexed now: {_listed(self.languages)}"] if self.languages else []),
                *([f"personal data in what was indexed now: {_listed(self.pii)}"] if self.pii else []),
                *self._duplicates,
                *([str(self.promotion)] if self.promotion else []),
                *([f"evaluation: {self.evaluation}"] if self.evaluation else []),
                *(f"rejected {item.uri}: {item.reason}: {item.detail}" for item in self.rejections),
                *(f"failed {item.uri}: {item.reason}: {item.detail}" for item in self.failures),
            ]
        )


# ZenML finds the class of an older run's artifact where it was then: `VerifyReport` has to be importable from here.
class RepairReport(Value):
    """A repair: what was found, what was done about it, and the comparison afterwards."""

    found: tuple[Problem, ...]
    done: Report
    after: VerifyReport

    def summary(self) -> str:
        """Return the repair for a person."""
        found = [f"mended {problem.kind}: {problem}" for problem in self.found] or ["there was nothing to mend"]
        return "\n".join([*found, self.done.summary()])


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])))
