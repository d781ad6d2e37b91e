"""Prove that splits are apart, from the rows alone: nothing of how they were made is believed."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from llm_engineering.application.datasets.likeness import alike_texts, words_of
from llm_engineering.application.datasets.splitting import STRONGEST
from llm_engineering.domain.datasets import RetrievalPair, Split


def leaks(rows: Sequence[RetrievalPair], questions: float = 0.7, passages: float = 0.8) -> list[str]:
    """Return a sentence for each thing that is in two splits: a document, a cluster, near-duplicates.

    Args:
        rows: All rows of a data set.
        questions: Jaccard similarity of words from which on two questions nearly repeat each other.
        passages: The same of passages.
    """
    found: list[str] = []
    for what, names in (("document", _documents(rows)), ("cluster", ((row.cluster, row.split) for row in rows))):
        splits: dict[str, set[str]] = defaultdict(set)
        for name, split in names:
            splits[name].add(split)
        found += [f"{what} {name} is in {' and '.join(sorted(of))}" for name, of in splits.items() if len(of) > 1]
    held = {name for row in rows if row.split == Split.TEST for name in row.documents}
    for row in rows:
        if row.split != Split.TEST and (seen := held.intersection(row.negative_documents)):
            found.append(f"row {row.id} ({row.split}) has a negative of {seen.pop()}, which is held out")
    for what, texts, threshold in (
        ("question", [row.question for row in rows], questions),
        ("passage", [row.passage for row in rows], passages),
    ):
        for one, other in alike_texts([words_of(text) for text in texts], threshold):
            if rows[one].split != rows[other].split:
                found.append(f"the {what}s of rows {rows[one].id} ({rows[one].split}) and {rows[other].id} are alike")
    return found


def apart(rows: Sequence[RetrievalPair], questions: float, passages: float) -> list[RetrievalPair]:
    """Return the rows without those to learn from that are alike to a row of a split that is better kept.

    Passages that lost the words of their question may be alike where the whole ones are not.
    """
    gone: set[int] = set()
    for texts, threshold in (([row.question for row in rows], questions), ([row.passage for row in rows], passages)):
        for pair in alike_texts([words_of(text) for text in texts], threshold):
            first, second = sorted(pair, key=lambda number: STRONGEST.index(Split(rows[number].split)))
            if rows[first].split != rows[second].split:
                gone.add(second)
    return [row for number, row in enumerate(rows) if number not in gone]


def _documents(rows: Sequence[RetrievalPair]) -> Iterator[tuple[str, str]]:
    for row in rows:
        yield from ((name, row.split) for name in (row.document_id, *row.documents))
