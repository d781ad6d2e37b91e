"""JSON lines: an object on each line."""

import json
from collections.abc import Iterator

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources.lines import TextLine
from llm_engineering.infrastructure.sources.records import Ambiguous, parse_json
from llm_engineering.infrastructure.sources.rows import Row, too_long


def json_rows(lines: Iterator[TextLine], most: int) -> Iterator[Row]:
    """Yield a row for each line that is not blank: an object of JSON, or what is wrong with the line.

    A list with an item on each line is read like its items: brackets on lines of their own, and commas, are left out.
    """
    count = 0
    for line in lines:
        text = line.text.strip() if line.text is not None else None
        if text in ("", "]") or (text == "[" and not count):
            continue
        count += 1
        place = f"line {line.number}"
        if text is None:
            yield Row(count, place, problem=too_long(place, most))
            continue
        try:
            value = parse_json(text.removesuffix(",") if text.endswith("},") else text)
        except SourceError as error:
            yield Row(count, place, problem=(error.reason, f"{place}: {error}"))
            continue
        if isinstance(value, Ambiguous):
            yield Row(count, place, problem=("wrong_shape", f"{place}: the key {value.twice[:80]!r} is there twice"))
        elif isinstance(value, dict):
            yield Row(count, place, value)
        else:
            found = json.dumps(value)[:60]
            advice = "; a list is read by kind: json" if isinstance(value, list) else ""
            detail = f"{place}: expected a JSON object, found {found}{advice}"
            yield Row(count, place, problem=("wrong_shape", detail))
