"""Rows of different splits that are alike: found, taken out, and proved absent from the rows alone."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from llm_engineering.application.datasets.likeness import alike_texts, alike_vectors, words_of
from llm_engineering.application.datasets.splitting import STRONGEST
from llm_engineering.application.instructions.gates import is_long
from llm_engineering.application.instructions.settings import Apart
from llm_engineering.domain.datasets import Split
from llm_engineering.domain.instructions import Instruction, Preference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Row = TypeVar("Row", Instruction, Preference)


@dataclass(frozen=True)
class Vectors:
    """Unit vectors of texts, (components,), where there is an embedder: of instructions by text, of passages by id."""

    instructions: "Mapping[str, NDArray[np.float32]]" = field(default_factory=dict)
    passages: "Mapping[str, NDArray[np.float32]]" = field(default_factory=dict)


def apart(rows: Sequence[Row], settings: Apart, vectors: Vectors) -> list[Row]:
    """Return the rows without those that are alike to a row of a split that is better kept."""
    pairs = [sorted(pair, key=lambda number: _strength(rows[number])) for _, *pair in _alike(rows, settings, vectors)]
    gone: set[int] = set()
    # First those to choose by: a row to learn from that is alike only to one of them that went may stay.
    for split in STRONGEST[1:]:
        gone |= {weaker for stronger, weaker in pairs if rows[weaker].split == split and stronger not in gone}
    return [row for number, row in enumerate(rows) if number not in gone]


def leaks(rows: Sequence[Row], settings: Apart, vectors: Vectors) -> list[str]:
    """Return a sentence for each thing that is in two splits: a document, a cluster, texts that are alike."""
    found: list[str] = []
    for what, names in (("document", _documents(rows)), ("cluster", ((row.cluster, row.split) for row in rows))):
        splits: dict[str, set[str]] = defaultdict(set)
        for name, split in names:
            splits[name].add(split)
        found += [f"{what} {name} is in {' and '.join(sorted(of))}" for name, of in splits.items() if len(of) > 1]
    return found + [
        f"the {what}s of rows {rows[one].id} ({rows[one].split}) and {rows[other].id} ({rows[other].split}) are alike"
        for what, one, other in _alike(rows, settings, vectors)
    ]


def better(row: Instruction | Preference) -> str:
    """Return the answer that a row teaches."""
    return row.answer if isinstance(row, Instruction) else row.chosen


def _alike(rows: Sequence[Row], settings: Apart, vectors: Vectors) -> Iterator[tuple[str, int, int]]:
    """Yield what of which two rows of different splits is alike."""
    for what, texts in (
        ("instruction", [row.instruction for row in rows]),
        ("answer", [better(row) for row in rows]),
        ("passage", [row.passage for row in rows]),
    ):
        numbers = [number for number, text in enumerate(texts) if what == "instruction" or is_long(text)]
        for pair in alike_texts([words_of(texts[number]) for number in numbers], settings.words):
            yield from _crossing(rows, what, numbers[pair[0]], numbers[pair[1]])
    yield from _alike_by_vectors(rows, settings, vectors)


def _alike_by_vectors(rows: Sequence[Row], settings: Apart, vectors: Vectors) -> Iterator[tuple[str, int, int]]:
    asked = [vectors.instructions.get(row.instruction) for row in rows]
    read = [vectors.passages.get(row.chunk_id) for row in rows]
    if settings.cosine is not None:
        for what, known in (("instruction", asked), ("passage", read)):
            for one, other in _near(known, settings.cosine):
                yield from _crossing(rows, what, one, other)
    if settings.paraphrase is not None:
        for one, other in _near(asked, settings.paraphrase):
            first, second = read[one], read[other]
            if first is not None and second is not None and float(first @ second) >= settings.paraphrase_passage:
                yield from _crossing(rows, "instruction and passage", one, other)


def _near(known: "Sequence[NDArray[np.float32] | None]", threshold: float) -> Iterator[tuple[int, int]]:
    """Yield the pairs of numbers whose vectors are near; what has none is near to nothing."""
    import numpy as np

    numbers = [number for number, vector in enumerate(known) if vector is not None]
    if numbers:
        matrix = np.stack([vector for vector in known if vector is not None])
        yield from ((numbers[one], numbers[other]) for one, other in alike_vectors(matrix, threshold))


def _crossing(rows: Sequence[Row], what: str, one: int, other: int) -> Iterator[tuple[str, int, int]]:
    if rows[one].split != rows[other].split:
        yield what, one, other


def _strength(row: Instruction | Preference) -> int:
    return STRONGEST.index(Split(row.split))


def _documents(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    for row in rows:
        for name in (row.document_id, getattr(row, "rejected_document", "")):
            if name:
                yield name, row.split
