"""What each stage of a retrieval did, collected while it does it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from loguru import logger

from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.domain.queries import StageTrace
from llm_engineering.domain.value import Scalar

LONGEST_DETAIL = 300


@dataclass
class Notes:
    """What a stage says of itself; `left` is what it was given unless it says otherwise."""

    given: int
    left: int
    detail: dict[str, Scalar] = field(default_factory=dict)


class Trace:
    """The stages so far."""

    def __init__(self) -> None:
        self._stages: list[StageTrace] = []

    @property
    def stages(self) -> tuple[StageTrace, ...]:
        return tuple(self._stages)

    @contextmanager
    def stage(self, name: str, given: int = 0, *, optional: bool = False) -> Iterator[Notes]:
        """Time what happens inside. An optional stage that fails leaves its reason, and the search goes on without."""
        notes = Notes(given, given)
        started = perf_counter()
        try:
            yield notes
        except (LLMEngineeringError, TimeoutError, OSError) as error:
            if not optional:
                raise
            notes.left = given
            notes.detail["failed"] = str(error)[:LONGEST_DETAIL]
            logger.warning("retrieval stage {} failed and is left out: {}", name, error)
        seconds = perf_counter() - started
        self._stages.append(
            StageTrace(stage=name, seconds=seconds, given=notes.given, left=notes.left, detail=notes.detail)
        )
