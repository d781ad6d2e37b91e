"""Find a former evaluation by what a person calls it."""

from collections.abc import Sequence

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Evaluation


def former(evaluations: Sequence[Evaluation], wanted: str, besides: str = "") -> Evaluation:
    """Return the evaluation of an id, or the newest one of a name; of two with the name, not the one of id `besides`.

    Raises:
        UsageError: there is none; the message lists what there is.
    """
    if found := next((one for one in evaluations if one.id == wanted), None):
        return found
    named = sorted(
        (one for one in evaluations if one.name == wanted), key=lambda one: (one.id != besides, one.created_at)
    )
    if named:
        return named[-1]
    known = ", ".join(f"{one.id} ({one.name})" for one in evaluations) or "none yet"
    raise UsageError(f"there is no evaluation {wanted!r}; evaluation.against can be one of: {known}")
