"""Conditions as expressions of SQL: the walk is one for all dialects, the leaves are the dialect's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llm_engineering.domain.conditions import And, Condition, Eq, In, Not, Or, Range
from llm_engineering.infrastructure.vector_stores.conditions.expressible import Can, is_expressible, weakened

# An expression that is never NULL, and the values of its parameters in their order.
Sql = tuple[str, list[Any]]


@dataclass(frozen=True)
class Dialect:
    """How an engine that speaks SQL says true, false and the leaves, and which leaves it decides as we do."""

    true: str
    false: str
    can_say: Can
    equal: Callable[[Eq | In], Sql]
    within: Callable[[Range], Sql]

    def expresses(self, condition: Condition) -> bool:
        """Return whether `where` decides a condition exactly."""
        return is_expressible(condition, self.can_say)

    def where(self, condition: Condition) -> Sql:
        """Return a condition as an expression, a weaker one where it cannot be said."""
        return self._said(weakened(condition, self.can_say))

    def text(self, condition: Condition) -> str:
        """Return the same for a dialect whose leaves have no parameters."""
        return self.where(condition)[0]

    def _said(self, condition: Condition) -> Sql:
        match condition:
            case And(conditions=parts):
                return self._joined(parts, " AND ", self.true)
            case Or(conditions=parts):
                return self._joined(parts, " OR ", self.false)
            case Not(condition=denied):
                text, values = self._said(denied)
                return f"NOT ({text})", values
            case Range():
                return self.within(condition)
        return self.equal(condition)

    def _joined(self, parts: Sequence[Condition], word: str, none: str) -> Sql:
        said = [self._said(part) for part in parts]
        text = word.join(f"({text})" for text, _ in said) or none
        return text, [value for _, values in said for value in values]
