"""How large the scenarios are, and what became of them.

`CHAOS=1` is the big form, `CHAOS=0.1` a tenth of its repetitions; without it the reduced form runs, with small corpora.
`CHAOS_SEED` repeats what a failure printed.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.world import World

from llm_engineering.domain.errors import LLMEngineeringError

SCALE = float(os.environ.get("CHAOS") or "0")
SEED = int(os.environ.get("CHAOS_SEED") or "20261121")
BIG = SCALE > 0
DOCUMENTS = 500 if BIG else 40
BATCHES = 1 if BIG else 16

tallies: list["Tally"] = []


def repetitions(small: int, big: int) -> int:
    return max(small, round(big * SCALE)) if BIG else small


def world_in(folder: Path, **settings: Any) -> World:
    return World(folder, batches=BATCHES, **settings)


@dataclass
class Tally:
    """The account of a scenario. One repetition that fails does not stop the others."""

    scenario: str
    repetitions: int = 0
    kills: int = 0
    reads: int = 0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        tallies.append(self)

    def dice(self) -> random.Random:
        """Return the chance of the next repetition."""
        return random.Random(f"{SEED} {self.scenario} {self.repetitions}")

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Count a repetition, and keep what is wrong with it."""
        label = f"{self.scenario}, repetition {self.repetitions} ({what}), CHAOS_SEED={SEED}"
        self.repetitions += 1
        try:
            yield
        except (AssertionError, LLMEngineeringError) as error:
            self.faults.append(f"{label}: {type(error).__name__}: {error}")

    def close(self) -> None:
        assert not self.faults, "\n\n".join(self.faults)
