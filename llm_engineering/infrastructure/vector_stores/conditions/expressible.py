"""Conditions that an engine can express only in part."""

from collections.abc import Callable

from llm_engineering.domain.conditions import EVERYTHING, And, Condition, Eq, In, Not, Or, Range

Leaf = Eq | In | Range
Can = Callable[[Leaf], bool]


def is_expressible(condition: Condition, can: Can) -> bool:
    """Return whether an engine that can say these leaves, and "and", "or" and "not", can say the whole condition."""
    match condition:
        case And(conditions=parts) | Or(conditions=parts):
            return all(is_expressible(part, can) for part in parts)
        case Not(condition=denied):
            return is_expressible(denied, can)
    return can(condition)


def weakened(condition: Condition, can: Can) -> Condition:
    """Return the strongest condition of this shape that an engine can say and that lets nothing of the given one out.

    >>> weakened(And(conditions=(Eq(field="a", value=1), Eq(field="b", value=2))), lambda leaf: leaf.field == "a")
    And(op='and', conditions=(Eq(op='eq', field='a', value=1), And(op='and', conditions=())))
    """
    if is_expressible(condition, can):
        return condition
    match condition:
        case And(conditions=parts):
            return And(conditions=tuple(weakened(part, can) for part in parts))
        case Or(conditions=parts):
            return Or(conditions=tuple(weakened(part, can) for part in parts))
        case Not(condition=And(conditions=parts)):
            return weakened(Or(conditions=tuple(Not(condition=part) for part in parts)), can)
        case Not(condition=Or(conditions=parts)):
            return weakened(And(conditions=tuple(Not(condition=part) for part in parts)), can)
        case Not(condition=Not(condition=inner)):
            return weakened(inner, can)
    return EVERYTHING


def without_negation(condition: Condition) -> Condition:
    """Return an equal condition whose negations are of single leaves only, for engines that have no "not" of groups."""
    match condition:
        case And(conditions=parts):
            return And(conditions=tuple(map(without_negation, parts)))
        case Or(conditions=parts):
            return Or(conditions=tuple(map(without_negation, parts)))
        case Not(condition=And(conditions=parts)):
            return Or(conditions=tuple(without_negation(Not(condition=part)) for part in parts))
        case Not(condition=Or(conditions=parts)):
            return And(conditions=tuple(without_negation(Not(condition=part)) for part in parts))
        case Not(condition=Not(condition=inner)):
            return without_negation(inner)
    return condition
