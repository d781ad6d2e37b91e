"""Counts in sentences for people."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one: `1 document`, `1,043 documents`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
