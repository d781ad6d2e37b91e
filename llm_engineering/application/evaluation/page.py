"""The report of an evaluation as one HTML file that loads nothing, runs nothing, and takes every text for text.

Questions and the names of documents come from anywhere. They are escaped, nothing of them becomes an address or a
style, and the page's own policy forbids whatever might come through all the same.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_engineering.application.text.visible import TURNING, visible
from llm_engineering.domain.evaluation_results import EvaluationResult, subject_line

if TYPE_CHECKING:
    from jinja2 import Environment, Template

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


def environment() -> "Environment":
    """Return what pages about texts of strangers are rendered with: they are escaped, and nothing disguises them."""
    from jinja2 import Environment, StrictUndefined

    made = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    made.filters["visible"] = visible
    return made


def _shown(value: Any) -> Any:
    """Return a text with each sign that turns the direction of what follows by itself, where it turns nothing."""
    from markupsafe import Markup, escape

    if type(value) is not str or not TURNING.search(value):
        return value  # what is marked as safe is of this program
    return Markup(TURNING.sub(r'<span class="sign">\1</span>', str(escape(value))))  # noqa: S704 - escaped before


def _points(values: tuple[float, ...], width: int, height: int) -> str:
    """Return a curve of values between 0 and 1 as the points of a polyline."""
    step = width / max(len(values) - 1, 1)
    return " ".join(f"{position * step:.1f},{(1 - value) * height:.1f}" for position, value in enumerate(values))


@cache
def _template() -> "Template":
    return environment().from_string(TEMPLATE.read_text(encoding="utf-8"))
