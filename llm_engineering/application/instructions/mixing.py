"""A general data set among the rows to learn from: a share of it, and nothing that the held-out rows ask."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loguru import logger

from llm_engineering.application.datasets.likeness import alike_texts, words_of
from llm_engineering.application.datasets.splitting import fraction
from llm_engineering.application.instructions.gates import is_long, is_same
from llm_engineering.application.instructions.leakage import better
from llm_engineering.domain.datasets import Split
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.domain.value import identity

ORIGIN = "general"


@dataclass(frozen=True)
class GeneralRow:
    """A row of a general data set; `rejected` is empty where it has no worse answers."""

    instruction: str
    answer: str
    rejected: str = ""


def mixed_in(
    rows: Sequence[Instruction] | Sequence[Preference],
    general: Iterable[GeneralRow],
    share: float,
    seed: int,
    likeness: float,
) -> list[GeneralRow]:
    """Return the rows that are mixed in, chosen by hash, so many that they are a share of all rows to learn from.

    Left out is what is alike to a row that is held out or to one that was taken before.
    """
    train = sum(row.split == Split.TRAIN for row in rows)
    wanted = round(train * share / (1 - share))
    held = [row for row in rows if row.split != Split.TRAIN]
    given = {one.instruction.casefold(): one for one in general if _is_of_use(one)}
    pool = sorted(given.values(), key=lambda one: fraction(ORIGIN, str(seed), one.instruction))
    gone: set[int] = set()
    first = len(held)
    for texts in (
        [*(row.instruction for row in held), *(one.instruction for one in pool)],
        [*(better(row) for row in held), *(one.answer for one in pool)],
    ):
        numbers = [number for number, text in enumerate(texts) if is_long(text, 3)]
        for pair in alike_texts([words_of(texts[number]) for number in numbers], likeness):
            other = numbers[pair[1]]
            if other >= first:  # of two general ones the later, of a held-out and a general one the general one
                gone.add(other - first)
    chosen = [one for number, one in enumerate(pool) if number not in gone][:wanted]
    if len(chosen) < wanted:
        logger.warning(
            "the general data set has {} rows that can be mixed in, and a share of {:g} takes {}; it is {:.3f} now",
            len(chosen),
            share,
            wanted,
            len(chosen) / (train + len(chosen)),
        )
    return chosen


def instruction_of(one: GeneralRow, source: str) -> Instruction:
    """Return a row to learn from."""
    key = identity(ORIGIN, one.instruction, one.answer)
    return Instruction(
        id=key, instruction=one.instruction, answer=one.answer, document_id="", chunk_id="", passage="", origin=ORIGIN,
        writer="", source=source, cluster=key, split=Split.TRAIN.value,
    )  # fmt: skip


def preference_of(one: GeneralRow, source: str) -> Preference:
    """Return a pair to learn from."""
    key = identity(ORIGIN, one.instruction, one.answer, one.rejected)
    return Preference(
        id=key, instruction=one.instruction, chosen=one.answer, rejected=one.rejected, document_id="", chunk_id="",
        passage="", origin=ORIGIN, writer="", source=source, cluster=key, split=Split.TRAIN.value,
    )  # fmt: skip


def _is_of_use(one: GeneralRow) -> bool:
    has_text = bool(one.instruction.strip() and one.answer.strip())
    return has_text and not (one.rejected and is_same(one.answer, one.rejected))
