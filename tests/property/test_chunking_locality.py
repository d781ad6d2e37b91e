"""An edit changes the chunks that it touches and their neighbours, whatever the structure of the document.

The generated paragraphs are shorter than a third of the window. What is not promised: a section or a file that outgrows
the window with the edit is divided for the first time, and all its parts are new.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from llm_engineering.application.chunking import ByFormat
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import CleanedDocument, Format
from llm_engineering.infrastructure.embedders import Hashing

TOKENIZER = Hashing().open_tokenizer(Path())
WINDOW = TOKENIZER.max_tokens
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "ra", "sti", "lom", "")]


def words(chance: Random, low: int, high: int) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(low, high)))


def sentence(chance: Random) -> str:
    return words(chance, 4, 20).capitalize() + "."


def paragraph(chance: Random) -> str:
    return " ".join(sentence(chance) for _ in range(chance.randint(1, 3)))


def item(chance: Random) -> str:
    return "- " + sentence(chance)


def row(chance: Random) -> str:
    return f"| {words(chance, 1, 2)} | {words(chance, 2, 9)} |"


def heading(chance: Random) -> str:
    return "## " + words(chance, 1, 4)


def function(chance: Random) -> str:
    body = "".join(f"    {words(chance, 1, 1)} = {chance.randint(0, 999)}\n" for _ in range(chance.randint(1, 8)))
    return f"def {words(chance, 1, 1)}_{chance.randint(0, 9999)}():\n{body}"


# format, what stands first, what is between two units, a unit; how many units the documents have
SHAPES: dict[str, tuple[Format, str, str, Callable[[Random], str], tuple[int, int]]] = {
    "flat text": ("text", "", "\n\n", paragraph, (12, 60)),
    "one paragraph": ("text", "", " ", sentence, (30, 120)),
    "one long line": ("text", "", " ", lambda chance: words(chance, 8, 12), (40, 100)),
    "list": ("markdown", "# List\n\n", "\n", item, (30, 100)),
    "table": ("markdown", "| a | b |\n|---|---|\n", "\n", row, (30, 100)),
    "section": ("markdown", "# Title\n\n", "\n\n", paragraph, (12, 60)),
    "record": ("record", "How is this done?\n\n", "\n\n", paragraph, (12, 30)),
    "code": ("code", "import os\n", "\n\n", function, (20, 60)),
}


def chunks_of(shape: str, units: list[str]) -> list[Chunk]:
    kind, first, gap, _, _ = SHAPES[shape]
    text = first + gap.join(units)
    return list(ByFormat().chunk(CleanedDocument("id", "file:///a", "s", kind, text, "Title", "hash", {}), TOKENIZER))


def hashes(shape: str, units: list[str]) -> set[str]:
    return {chunk.text_hash for chunk in chunks_of(shape, units)}


def edited(chance: Random, units: list[str], made: str) -> list[str]:
    """Insert, delete or replace a unit, or change a word of it."""
    place = chance.randrange(len(units))
    before, unit, after = units[:place], units[place], units[place + 1 :]
    found = unit.split(" ")
    touched = chance.choice([index for index, word in enumerate(found) if word.isalpha() and word != "def"] or [0])
    found[touched] = "changed"
    change = chance.choice([[made, unit], [], [made], [" ".join(found)]])
    return [*before, *change, *after]


def written(chance: Random, shape: str) -> list[str]:
    _, _, _, unit, (low, high) = SHAPES[shape]
    return [unit(chance) for _ in range(chance.randint(low, high))]


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**9))
def test_an_edit_makes_at_most_three_new_texts(shape: str, seed: int) -> None:
    chance = Random(seed)
    units = written(chance, shape)
    known = hashes(shape, units)
    assume(len(known) > 1)
    for _ in range(3):
        changed = edited(chance, units, SHAPES[shape][3](chance))
        assert len(hashes(shape, changed) - known) <= 3


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**9))
def test_an_edit_leaves_the_other_sections_alone(seed: int) -> None:
    chance = Random(seed)
    units: list[str] = []
    for _ in range(chance.randint(3, 12)):
        units += [heading(chance), *(paragraph(chance) for _ in range(chance.randint(1, 9)))]
    known = hashes("section", units)
    place = chance.choice([index for index, unit in enumerate(units) if not unit.startswith("#")])
    changed = [*units[:place], units[place].replace(" ", " new ", 1), *units[place + 1 :]]
    assert len(hashes("section", changed) - known) <= 3


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**9))
def test_a_long_insertion_costs_its_own_chunks_and_its_neighbours(seed: int) -> None:
    chance = Random(seed)
    units = written(chance, "flat text")
    place = chance.randrange(len(units) + 1)
    long = " ".join(sentence(chance) for _ in range(16))
    new = hashes("flat text", [*units[:place], long, *units[place:]]) - hashes("flat text", units)
    assert len(new) <= 3 + TOKENIZER.count(long) // (WINDOW // 4)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**9), period=st.integers(1, 9))
def test_text_that_repeats_itself_costs_no_more(seed: int, period: int) -> None:
    chance = Random(seed)
    units = [sentence(chance) for _ in range(period)] * 30
    assert len(hashes("one paragraph", edited(chance, units, sentence(chance))) - hashes("one paragraph", units)) <= 3


@pytest.mark.parametrize("shape", ["flat text", "one paragraph", "one long line", "list", "table", "section"])
def test_chunks_keep_a_healthy_size(shape: str) -> None:
    chance = Random(4)
    filled = [chunk.tokens / WINDOW for _ in range(10) for chunk in chunks_of(shape, written(chance, shape))]
    assert sum(filled) / len(filled) > 0.4
    assert sum(share < 0.2 for share in filled) / len(filled) < 0.03
    assert max(filled) <= 1


def test_two_thousand_random_edits_make_about_one_new_text_each() -> None:
    chance = Random(2026)
    new: Counter[int] = Counter()
    for number in range(250):
        shape = list(SHAPES)[number % len(SHAPES)]
        units = written(chance, shape)
        known = hashes(shape, units)
        for _ in range(8):
            new[len(hashes(shape, edited(chance, units, SHAPES[shape][3](chance))) - known)] += 1
    assert sum(count * times for count, times in new.items()) / new.total() < 1.4
    assert max(new) <= 3
