"""The report of an evaluation of language models as one HTML file that loads nothing and runs nothing.

Instructions, answers and names of models come from anywhere. They are escaped, and the page's own policy forbids
whatever might come through all the same.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering.application.evaluation.page import STYLE, VERDICTS, environment
from llm_engineering.domain.llm_evaluation import LlmEvaluationResult

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = Path(__file__).with_name("page.html.jinja")
# Measures between 0 and 1, which can be drawn as bars.
DRAWN = ("rouge_l", "chrf", "similarity", "token_match", "grounded", "support", "verbatim", "quotes", "judge")


def render(result: LlmEvaluationResult) -> str:
    """Return the report as HTML."""
    style = STYLE.read_text(encoding="utf-8")
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    metrics = list(dict.fromkeys(name for one in result.models for name in one.metrics))
    return _template().render(
        result=result,
        metrics=metrics,
        drawn=[name for name in DRAWN if name in metrics],
        verdicts=VERDICTS,
        style=style,
        policy=f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'",
    )


@cache
def _template() -> "Template":
    return environment().from_string(TEMPLATE.read_text(encoding="utf-8"))
