"""How much of the text of a source is lines that many of its documents have: headers, footers, menus, notices."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from llm_engineering.application.attempts import cleaned
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.domain.corpus import BoilerplateReport, RepeatedLine
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.ports import Warehouse

# Documents that are looked at, in all and at least of each source.
SAMPLE, LEAST = 250, 10
# A line repeats if so many documents of its source have it: this share of them, and never fewer than three.
SHARE, FEWEST = 0.1, 3
# Of a longer document only both ends are read: that is where headers and footers are.
LONGEST = 200_000
SHORTEST_LINE = 4
SHOWN_LINES, SHOWN_CHARACTERS = 5, 160

_Lines = tuple[NDArray[np.uint64], NDArray[np.int64]]


def measure_boilerplate(
    sources: Mapping[str, Sequence[str]], cleaning: Cleaning, warehouse: Warehouse
) -> tuple[BoilerplateReport, ...]:
    """Return the account of each source (name → ids of its documents) that has enough documents to tell.

    The text is what cleaning leaves of it. Source code is not looked at: there, lines repeat for other reasons.
    """
    each = max(LEAST, SAMPLE // max(1, len(sources)))
    reports = (_measured(name, ids[:each], cleaning, warehouse) for name, ids in sources.items() if len(ids) >= FEWEST)
    return tuple(report for report in reports if report.documents >= FEWEST)


def _measured(source: str, ids: Sequence[str], cleaning: Cleaning, warehouse: Warehouse) -> BoilerplateReport:
    names: list[str] = []
    lines: list[_Lines] = []
    for document in _cleaned(ids, cleaning, warehouse):
        names.append(document.id)
        lines.append(_hashed(_lines(document.text)))
    if len(names) < FEWEST:
        return BoilerplateReport(source=source, documents=len(names))
    distinct = [np.unique(hashes) for hashes, _ in lines]
    values, counts = np.unique(np.concatenate(distinct), return_counts=True)
    many = (counts >= max(FEWEST, SHARE * len(names))) & (values != 0)
    repeated, having = values[many], counts[many]
    spent = np.zeros(len(repeated), dtype=np.int64)
    for hashes, lengths in lines:
        here = np.isin(hashes, repeated)
        np.add.at(spent, np.searchsorted(repeated, hashes[here]), lengths[here])
    top = sorted(range(len(repeated)), key=lambda place: (-spent[place], repeated[place]))[:SHOWN_LINES]
    holders = {
        place: next(name for name, own in zip(names, distinct, strict=True) if repeated[place] in own) for place in top
    }
    documents = {one.id: one for one in _cleaned(sorted(set(holders.values())), cleaning, warehouse)}
    return BoilerplateReport(
        source=source,
        documents=len(names),
        characters=sum(int(lengths.sum()) for _, lengths in lines),
        repeated=int(spent.sum()),
        lines=tuple(
            RepeatedLine(
                source=source,
                uri=documents[holders[place]].uri,
                text=_line_of(documents[holders[place]], int(repeated[place])),
                documents=int(having[place]),
                characters=int(spent[place]),
            )
            for place in top
            if holders[place] in documents
        ),
    )


def _cleaned(ids: Sequence[str], cleaning: Cleaning, warehouse: Warehouse) -> Iterator[CleanedDocument]:
    for document in warehouse.documents(ids) if ids else ():
        if document.format != "code":
            yield cleaned(cleaning, document)


def _lines(text: str) -> list[str]:
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}\n{text[-LONGEST // 2 :]}"
    return [line for one in text.split("\n") if (line := one.strip())]


def _hashed(lines: Sequence[str]) -> _Lines:
    """Return a hash and the length of each line; those that are too short to be told from chance have the hash 0."""
    hashes = np.array([_hash(line) for line in lines], dtype=np.uint64)
    return hashes, np.array([len(line) for line in lines], dtype=np.int64)


def _hash(line: str) -> int:
    if len(line) < SHORTEST_LINE or not any(map(str.isalpha, line)):
        return 0
    return int.from_bytes(blake2b(line.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _line_of(document: CleanedDocument, value: int) -> str:
    return next((line for line in _lines(document.text) if _hash(line) == value), "")[:SHOWN_CHARACTERS]
