"""How many conditions stand inside each other, and a weaker one where that is more than a server takes."""

from llm_engineering.domain.conditions import EVERYTHING, And, Condition, Not, Or


def depth(condition: Condition) -> int:
    """Return how many conditions stand inside each other."""
    match condition:
        case And(conditions=parts) | Or(conditions=parts):
            return 1 + max(map(depth, parts), default=0)
        case Not(condition=denied):
            return 1 + depth(denied)
    return 1


def shallow(condition: Condition, deepest: int) -> Condition:
    """Return a condition that is no deeper, and lets nothing of the given one out."""
    if depth(condition) <= deepest:
        return condition
    parts = condition.conditions if isinstance(condition, And) else ()
    return And(conditions=tuple(part if depth(part) < deepest else EVERYTHING for part in parts))
