"""The report of an evaluation as one HTML file that loads nothing, runs nothing, and takes every text for text.

Questions and the names of documents come from anywhere. They are escaped, nothing of them becomes an address or a
style, and the page's own policy forbids whatever might come through all the same.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering.domain.evaluation_results import EvaluationResult, subject_line

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = Path(__file__).with_name("page.html.jinja")
STYLE = Path(__file__).with_name("page.css")
VERDICTS = {
    "better": "shown to be better",
    "worse": "shown to be worse",
    "same": "a difference that matters would have been seen",
    "unclear": "there are not enough questions to say",
}


def render(result: EvaluationResult) -> str:
    """Return the report of an evaluation as HTML."""
    style = STYLE.read_text(encoding="utf-8")
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _template().render(
        result=result,
        one=result.evaluation,
        subject=subject_line(result.evaluation),
        other=subject_line(result.before) if result.before else "",
        verdicts=VERDICTS,
        style=style,
        policy=f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'",
        points=_points,
    )


def _points(values: tuple[float, ...], width: int, height: int) -> str:
    """Return a curve of values between 0 and 1 as the points of a polyline."""
    step = width / max(len(values) - 1, 1)
    return " ".join(f"{position * step:.1f},{(1 - value) * height:.1f}" for position, value in enumerate(values))


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
