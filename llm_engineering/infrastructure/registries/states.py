"""What is known of the versions of one model beside their cards: stages, digests of the cards, what was switched."""

import json
from pathlib import Path

from pydantic import Field, ValidationError

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import Stage, Switch
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.vector_stores.folders import replace_file

FILE = "stages.json"


class States(Value):
    """File `stages.json`, replaced in one step. `cards` are the SHA-256 digests that a version's card may have.

    There are two of them only while a card is being replaced.
    """

    stages: dict[int, Stage] = Field(default_factory=dict)
    cards: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    switches: tuple[Switch, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> "States":
        """Read the states of a model; those of one without versions are empty.

        Raises:
            UsageError: the file is damaged.
        """
        path = folder / FILE
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, ValidationError) as error:
            raise UsageError(
                f"{path} is damaged ({type(error).__name__}); get it back from a copy, or remove it together with the "
                "versions beside it and register them again"
            ) from error

    def write(self, folder: Path) -> None:
        """Replace the file in one step."""
        replace_file(folder / FILE, self.model_dump_json())

    def with_stage(self, number: int, stage: Stage) -> "States":
        """Return the states with a version in a stage; whoever stood in production or staging there is archived."""
        alone = stage in (Stage.PRODUCTION, Stage.STAGING)
        stages = {
            other: Stage.ARCHIVED if alone and held is stage else held
            for other, held in self.stages.items()
            if other != number
        }
        return self.model_copy(update={"stages": {**stages, number: stage}})

    def at(self, stage: Stage) -> int:
        """Return the number of the version in a stage (the newest one), or 0."""
        return max((number for number, held in self.stages.items() if held is stage), default=0)
