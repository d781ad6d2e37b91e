"""The gates of a data set: each is a function of drafts or pairs that returns what passed, and what it measured.

A gate takes out rows that do not pass. Its figure says whether the set as a whole passes; `refuse` ends the run if one
does not, before anything is written.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from llm_engineering.application.datasets.likeness import words_of
from llm_engineering.application.instructions.grounding import grounding
from llm_engineering.application.instructions.settings import Gates
from llm_engineering.application.instructions.verbatim import locate, stands
from llm_engineering.application.text.spans import Span
from llm_engineering.application.text.stems import Language
from llm_engineering.application.text.words import word_count
from llm_engineering.domain.errors import GateFailed
from llm_engineering.domain.instructions import Draft, GateFigure

T = TypeVar("T")
Passed = tuple[list[Draft], GateFigure]


def grounded(drafts: Sequence[Draft], gates: Gates, language: Language = "english") -> Passed:
    """Keep the drafts whose answer stands in their passage. The share that fails is one of what models worded."""
    kept: list[Draft] = []
    why: Counter[str] = Counter()
    for one in drafts:
        found = grounding(one.instruction, one.answer, one.passage, language)
        if not one.writer or one.start >= 0:  # the document's own words: there is nothing to invent
            kept.append(one)
        elif found.strange:
            why[found.strange] += 1
        elif found.words < gates.words or found.sentence < gates.sentence:
            why["the passage does not have its words"] += 1
        else:
            kept.append(one)
    written = sum(1 for one in drafts if one.writer and one.start < 0)
    note = "; ".join(f"{count}: {reason}" for reason, count in why.most_common())
    return kept, _figure("groundedness", written, sum(why.values()), gates.ungrounded, note)


def verbatim(drafts: Sequence[Draft], texts: Mapping[str, str], places: Mapping[str, Span], gates: Gates) -> Passed:
    """Keep the drafts whose answer stands word for word in the stored document, with its place.

    Args:
        drafts: Those without a place are extracts of a model, which are looked up in their passage.
        texts: Document id → its text.
        places: Chunk id → where the passage stands in that text.
        gates: The bounds.
    """
    kept: list[Draft] = []
    for one in drafts:
        text = texts.get(one.document_id, "")
        if one.start >= 0:
            if stands(text, one.answer, one.start, one.end):
                kept.append(one)
        elif (near := places.get(one.chunk_id)) and (span := locate(text, one.answer, near)):
            kept.append(replace(one, answer=text[span.start : span.end], start=span.start, end=span.end))
    failed = len(drafts) - len(kept)
    return kept, _figure("verbatim", len(drafts), failed, gates.absent, "better answers missing in their document")


def distinct(drafts: Sequence[Draft], gates: Gates) -> Passed:
    """Keep the pairs whose two answers are not the same, nor the same but for case, white space and punctuation."""
    kept = [one for one in drafts if not is_same(one.answer, one.rejected)]
    failed = len(drafts) - len(kept)
    return kept, _figure("distinct", len(drafts), failed, gates.equal, "pairs whose two answers are the same")


def is_same(one: str, other: str) -> bool:
    """Tell whether two answers are the same to a reader, or have no word at all.

    >>> is_same("It is  hot.", "it is hot"), is_same("It is hot.", "It is not hot.")
    (True, False)
    """
    if not other.strip():
        return True
    return _letters(one) == _letters(other) if _letters(one) or _letters(other) else one.split() == other.split()


def length_bias(pairs: Sequence[tuple[str, str]], gates: Gates) -> GateFigure:
    """Return how well the length alone tells the better of two answers, (better, worse).

    The value is the accuracy of "take the longer one" or "take the shorter one", whichever is higher; half is chance.
    """
    sizes = [(word_count(better), word_count(worse)) for better, worse in pairs]
    longer = sum(better > worse for better, worse in sizes)
    ties = sum(better == worse for better, worse in sizes)
    accuracy = (longer + ties / 2) / len(sizes) if sizes else 0.5
    ratio = sum(better / max(1, worse) for better, worse in sizes) / len(sizes) if sizes else 1.0
    value = max(accuracy, 1 - accuracy)
    note = (
        f"the better answer is longer in {longer / len(sizes) if sizes else 0:.3f} of {len(sizes)} pairs, {ratio:.2f} "
        f"times as long on average; taking the longer one is right in {accuracy:.3f}"
    )
    is_judged = len(sizes) >= gates.length_rows
    return GateFigure(
        name="length_bias",
        rows=len(sizes),
        failed=0,
        value=round(value, 4),
        bound=gates.length_bias,
        passed=not is_judged or value <= gates.length_bias,
        note=note if is_judged else f"{note}; not judged below {gates.length_rows} pairs",
    )


def refuse(figures: Sequence[GateFigure]) -> None:
    """End the run if a gate refuses the data set.

    Raises:
        GateFailed: with the figures; the message says which gates, and what to do.
    """
    if failed := [figure for figure in figures if not figure.passed]:
        raise GateFailed(
            f"the data set is refused, and nothing was written: {'; '.join(map(str, failed))}. Use a better model or "
            "prompt, or look at `gates` in the section of the data set",
            tuple(figures),
        )


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _figure(name: str, rows: int, failed: int, bound: float, note: str) -> GateFigure:
    share = failed / rows if rows else 0.0
    return GateFigure(
        name=name,
        rows=rows,
        failed=failed,
        value=round(share, 4),
        bound=bound,
        passed=share <= bound,
        note=f"{failed} of {rows} failed" + (f" ({note})" if failed and note else ""),
    )


def is_long(text: str, least: int = 8) -> bool:
    """Tell whether a text has enough words for a likeness to mean something."""
    return len(words_of(text)) >= least
