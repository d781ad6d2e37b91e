"""The report of a feature run as one HTML file that loads nothing, runs nothing, and takes every text for text.

Names of sources, addresses and lines come from anywhere. They are escaped, nothing of them becomes an address or a
style, and the page's own policy forbids whatever might come through all the same. Each part can stand alone.
"""

import base64
import hashlib
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering.application.corpus.describing import length_bins
from llm_engineering.domain.corpus import Corpus, CorpusReport, SourcePoints, StepRate
from llm_engineering.domain.reports import Report, SourceReport

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = Path(__file__).with_name("page.html.jinja")
STYLE = Path(__file__).with_name("page.css")
PARTS = ("sources", "lengths", "duplicates", "boilerplate", "languages", "map", "throughput")
OUTCOMES = ("new", "changed", "unchanged", "deleted", "rejected", "failed")
# More rows than these are drawn as one, and listed in a table that is folded up.
SHOWN_SOURCES, SHOWN_INCIDENTS, SHOWN_DUPLICATES, SHOWN_BOILERPLATE = 25, 50, 12, 25
# Characters of a name and of what is told about a failure; chunks that it takes to see which are near each other.
LONGEST, LONGEST_DETAIL = 200, 600
FEWEST_DOTS = 3


def render(report: Report, corpus: Corpus, rates: Sequence[StepRate] = (), parts: Collection[str] = PARTS) -> str:
    """Return the page of a run, or only some of its parts."""
    style = STYLE.read_text(encoding="utf-8")
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _template().render(
        report=report,
        corpus=corpus.report,
        map=corpus.map,
        rates=rates,
        parts=parts,
        whole=set(parts) == set(PARTS),
        style=style,
        policy=f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'",
        outcomes=OUTCOMES,
        shown=_shown(report.sources),
        most=max((one.found for one in _shown(report.sources)[:SHOWN_SOURCES]), default=0),
        rest=len(report.sources) > SHOWN_SOURCES,
        shown_incidents=SHOWN_INCIDENTS,
        shown_duplicates=SHOWN_DUPLICATES,
        boilerplate=sorted(corpus.report.boilerplate, key=lambda one: (-one.share, one.source)),
        shown_boilerplate=SHOWN_BOILERPLATE,
        dots=_dots,
        longest_detail=LONGEST_DETAIL,
        fewest_dots=FEWEST_DOTS,
    )


def render_lengths(lengths: Sequence[int]) -> str:
    """Return a page with a histogram alone: the lengths of some chunks, in tokens, whatever model they are for."""
    longest = max(lengths, default=0)
    report = CorpusReport(
        chunks=len(lengths), sampled=len(lengths), longest=longest, lengths=length_bins(lengths, longest)
    )
    return render(Report(pipeline="feature", run=0), Corpus(report=report), parts=("lengths",))


def _shown(sources: Sequence[SourceReport]) -> list[SourceReport]:
    """Return the accounts to draw: the largest, and the rest added up in one."""
    ordered = sorted(sources, key=lambda one: (-one.found, one.source))
    if len(ordered) <= SHOWN_SOURCES:
        return ordered
    rest = ordered[SHOWN_SOURCES:]
    sums = {name: sum(getattr(one, name) for one in rest) for name in ("found", *OUTCOMES, "seconds")}
    return [*ordered[:SHOWN_SOURCES], SourceReport(source=f"{len(rest)} other sources", kind="", **sums)]


def _dots(points: SourcePoints) -> str:
    """Return the points of a source as a path of lines without length, which round ends make visible."""
    flat = points.points
    return "".join(f"M{x} {1000 - y}h0" for x, y in zip(flat[::2], flat[1::2], strict=True))


def _plain(text: object, longest: int = LONGEST) -> str:
    """Return a text of a stranger in one line, without signs that nobody sees or that turn the line around."""
    line = " ".join(str(text).split())
    clean = "".join(one if one.isprintable() else "\ufffd" for one in line)
    return clean if len(clean) <= longest else f"{clean[:longest]}…"


def _number(value: float) -> str:
    """Return a number with thin groups of three digits; small fractions keep one digit behind the point."""
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:,.1f}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"plain": _plain, "number": _number, "duration": _duration}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
