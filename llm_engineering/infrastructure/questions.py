"""Read questions with known answers from a CSV, TSV or JSONL file; every mistake is answered with file and line."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import IO

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Question
from llm_engineering.domain.value import Scalar

LINES = (".jsonl", ".ndjson")


def read_questions(path: Path, question: str, document: str, filters: Sequence[str] = ()) -> list[Question]:
    """Return the questions of a file.

    Args:
        path: A CSV file with a head line, with commas, semicolons or tabs between its cells, or a JSONL file
            (`.jsonl`, `.ndjson`) with an object in each line.
        question: The column that holds the question.
        document: The column that names the document that answers it; in JSONL it may be a list of names.
        filters: Columns to limit the search by, under their own names. An empty value limits nothing.

    Raises:
        UsageError: the file cannot be read, a column is missing, a value is empty, or there are no questions.
    """
    rows = _lines if path.suffix.lower() in LINES else partial(_records, wanted={question, document, *filters})
    try:
        with path.expanduser().open(encoding="utf-8-sig", newline="") as file:
            found = [_question(row, f"{path}, line {line}", question, document, filters) for line, row in rows(file)]
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read the questions in {path}: {error}; save the file as UTF-8") from None
    except (OSError, csv.Error) as error:
        raise UsageError(f"cannot read the questions in {path}: {error}") from None
    except _NoObject as error:
        raise UsageError(f"{path}, line {error}: write one JSON object in each line") from None
    if not found:
        raise UsageError(f"there are no questions in {path}; write some below a line that names the columns")
    return found


class _NoObject(Exception):  # noqa: N818 - it carries the number of a line
    pass


def _records(file: IO[str], wanted: Set[str]) -> Iterator[tuple[int, Mapping[str | None, object]]]:
    head = file.readline()
    file.seek(0)
    usual = "\t" if Path(file.name).suffix.lower() == ".tsv" else ","
    # Excel writes semicolons wherever a comma is in decimal numbers. What separates is what gives the wanted columns.
    found = (one for one in (usual, ",", ";", "\t") if wanted <= set(next(csv.reader([head], delimiter=one), [])))
    delimiter = next(found, usual)
    reader = csv.DictReader(file, delimiter=delimiter, strict=True)
    return ((reader.line_num, row) for row in reader)


def _lines(file: IO[str]) -> Iterator[tuple[int, Mapping[str | None, object]]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _NoObject(f"{number}: {error}") from None
        if not isinstance(row, dict):
            raise _NoObject(str(number))
        yield number, row


def _question(
    row: Mapping[str | None, object], where: str, question: str, document: str, filters: Sequence[str]
) -> Question:
    missing = [name for name in (question, document, *filters) if row.get(name) is None]
    if missing:
        has = ", ".join(repr(name) for name in row if name is not None) or "none"
        raise UsageError(
            f"{where}: there is no {missing[0]!r}; the columns are: {has}. Give a column that name, or name another "
            "one beside the file (`question`, `document`, `filters`); commas, semicolons or tabs are between cells"
        )
    text, names = row[question], _names(row[document])
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{where}: the question is {text!r}; write one, or take the line away")
    if not names or not all(names):
        raise UsageError(f"{where}: the document is {row[document]!r}; name one by URI, record key or id")
    return Question(text.strip(), names, {name: _limit(row[name], name, where) for name in filters if row[name] != ""})


def _limit(value: object, name: str, where: str) -> Scalar:
    if isinstance(value, str | int | float):
        return value
    raise UsageError(f"{where}: the filter {name!r} is {value!r}; give one text or number, or '' for no limit")


def _names(value: object) -> tuple[str, ...]:
    """Return the names of documents in a value; what is no name is empty."""
    given = value if isinstance(value, list) else [value]
    return tuple(str(name).strip() if isinstance(name, str | int) else "" for name in given)
