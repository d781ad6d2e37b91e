"""What an evaluation run found: figures, the comparison with another evaluation, and the questions to look at."""

from collections.abc import Iterator

from pydantic import Field

from llm_engineering.domain.evaluation import Evaluation, EvaluationComparison
from llm_engineering.domain.value import Scalar, Value


class Missed(Value):
    """A question that was not answered near the top: `rank` is that of the first answering document, 0: none was found.

    `expected` and `found` name documents by URI; `expected` is empty if the index has none of those that it names.
    """

    question: str
    rank: int
    expected: tuple[str, ...]
    found: tuple[str, ...]
    filter: dict[str, Scalar] = Field(default_factory=dict)


class EvaluationResult(Value):
    """An evaluation, and the one that it was compared with.

    `curve` has the hit rate at each rank from 1 on, `before_curve` that of the other one. `missed` are the first of
    `misses` questions that were not answered among the first `near` documents. `page` is where the report as HTML lies.
    """

    evaluation: Evaluation
    before: Evaluation | None = None
    comparison: EvaluationComparison | None = None
    curve: tuple[float, ...] = ()
    before_curve: tuple[float, ...] = ()
    near: int = 0
    misses: int = 0
    missed: tuple[Missed, ...] = ()
    page: str = ""

    def without_questions(self) -> "EvaluationResult":
        """Return the result without the texts of questions and the names of documents."""
        return self.model_copy(update={"missed": ()})

    def facts(self) -> dict[str, str | int | float]:
        """Return the figures as flat facts, for whoever tracks runs."""
        one = self.evaluation
        metrics = {name: estimate.value for name, estimate in one.slices[0].metrics.items()}
        about = {"evaluation": one.id, "version": one.subject.get("version", ""), "questions_from": one.questions_from}
        counts = {"questions": one.questions, "unknown": one.unknown, "misses": self.misses}
        latency = {"p50_ms": one.p50_ms, "p95_ms": one.p95_ms}
        compared = self.comparison.comparisons if self.comparison else ()
        verdicts = {f"verdict {item.metric}": str(item.verdict) for item in compared if item.slice == "all"}
        gains = {f"gain {item.metric}": item.difference.value for item in compared if item.slice == "all"}
        return {**about, **counts, **latency, **metrics, **verdicts, **gains}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        one = self.evaluation
        unknown = f"; {one.unknown} name no document of the index and count as missed" if one.unknown else ""
        yield f"evaluation {one.id} ({one.name}): {subject_line(one)}"
        yield f"{one.questions} questions from {one.questions_from}{unknown}"
        yield f"a search took {one.p50_ms:.0f} ms (median), {one.p95_ms:.0f} ms (95th percentile)"
        yield from _figures(one)
        if self.misses:
            yield f"questions not answered among the first {self.near} documents: {self.misses}"
        if self.comparison and self.before:
            yield f"compared with {self.before.id} ({self.before.name}): {subject_line(self.before)}"
            yield from comparison_lines(self.comparison)
        if self.page:
            yield f"report: {self.page}"


def subject_line(one: Evaluation) -> str:
    """Return what was asked, in a few words."""
    subject = one.subject
    reranked = f", reranked by {subject['reranker']}" if subject.get("reranker") else ""
    return (
        f"collection {subject.get('collection', '?')} {subject.get('version', '?')}, {subject.get('mode', '?')} search "
        f"with {subject.get('model', '?')}{reranked}"
    )


def _figures(one: Evaluation) -> Iterator[str]:
    """Yield a table of the figures: all questions with intervals, then a line for each slice."""
    everything, *slices = one.slices
    for name, estimate in everything.metrics.items():
        yield f"  {name:<12}{estimate}"
    if not slices:
        return
    names = list(everything.metrics) if len(everything.metrics) <= 5 else _few(list(everything.metrics))
    width = max(len(_cut(figures.slice)) for figures in slices) + 2
    yield f"  {'slice':<{width}}{'questions':>9}" + "".join(f"{name:>11}" for name in names)
    for figures in slices:
        row = "".join(f"{figures.metrics[name].value:>11.3f}" for name in names)
        yield f"  {_cut(figures.slice):<{width}}{figures.questions:>9}{row}"


def _few(names: list[str]) -> list[str]:
    """Return one rank for each metric: a table of all would be too wide for a screen."""
    return list({name.partition("@")[0]: name for name in names}.values())


def comparison_lines(comparison: EvaluationComparison) -> Iterator[str]:
    """Yield a table of comparisons with their verdicts."""
    width = max(len(_cut(one.slice)) for one in comparison.comparisons) + 2
    wide = max(11, *(len(one.metric) + 1 for one in comparison.comparisons))
    head = f"  {'metric':<{wide}}{'slice':<{width}}{'questions':>9}{'before':>9}{'after':>9}"
    yield f"{head}  {'difference':<24}{'p':>7}{'adjusted':>10}  verdict"
    for one in comparison.comparisons:
        numbers = f"{one.questions:>9}{one.before:>9.3f}{one.after:>9.3f}"
        tested = f"{one.p:>7.4f}{one.adjusted:>10.4f}"
        yield (
            f"  {one.metric:<{wide}}{_cut(one.slice):<{width}}{numbers}  {one.difference!s:<24}{tested}  "
            f"{one.verdict}: {one.reason}"
        )


def _cut(text: str) -> str:
    """Return the name of a slice on one line: values of filters may be anything."""
    line = " ".join(text.split())
    return line if len(line) <= 40 else f"{line[:39]}…"
