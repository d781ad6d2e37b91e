"""What is read from the replies of models: one bad item costs no other."""

import json
import re
from typing import Any

LONGEST_QUESTION, LONGEST_ANSWER = 600, 20_000  # characters
Fields = tuple[str, ...]
# What no text has that somebody wrote: NUL, and halves of characters, which JSON can spell.
_BROKEN = re.compile("[\x00\ud800-\udfff]")
ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}


def schema_of(fields: Fields, most: int) -> dict[str, Any]:
    """Return the JSON Schema of a reply with items."""
    item = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in fields},
        "required": list(fields),
        "additionalProperties": False,
    }
    items = {"type": "array", "items": item, "minItems": 1, "maxItems": most}
    return {"type": "object", "properties": {"items": items}, "required": ["items"], "additionalProperties": False}


def items_in(text: str, fields: Fields) -> tuple[list[dict[str, str]], int]:
    """Return the items of a reply that can be used, and how many cannot. One bad item costs no other.

    >>> items_in('{"items": [{"question": "Why?", "answer": "So."}, {"question": 3}]}', ("question", "answer"))
    ([{'question': 'Why?', 'answer': 'So.'}], 1)
    """
    try:
        given = json.loads(text)["items"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return [], 1
    if not isinstance(given, list) or not given:
        return [], 1
    read = [item for one in given if (item := _item(one, fields)) is not None]
    return read, len(given) - len(read)


def _item(given: object, fields: Fields) -> dict[str, str] | None:
    if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in fields):
        return None
    item = {name: str(given[name]).strip() for name in fields}
    item["question"] = " ".join(item["question"].split())
    sensible = 2 < len(item["question"]) <= LONGEST_QUESTION and not any(map(_BROKEN.search, item.values()))
    return item if sensible and all(0 < len(item[name]) <= LONGEST_ANSWER for name in fields) else None


def counted(found: tuple[list[dict[str, str]], int]) -> tuple[int, int]:
    """Return how many items can be used, and how many cannot."""
    return len(found[0]), found[1]


def answer_in(text: str) -> str:
    """Return the answer of a reply; empty, if it has none."""
    try:
        answer = json.loads(text)["answer"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return answer.strip()[:LONGEST_ANSWER] if isinstance(answer, str) and not _BROKEN.search(answer) else ""
