"""What is looked at: the settings of the environment, and a configuration."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from llm_engineering.config import read_config
from llm_engineering.config.project import ProjectConfig
from llm_engineering.domain.checkup import Check, broken, fine
from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.settings import Settings


@dataclass(frozen=True)
class Subject:
    """An installation. `home` is the folder of all state, whether it is there or not."""

    config: ProjectConfig = field(default_factory=ProjectConfig)
    settings: Settings = field(default_factory=Settings)

    @cached_property
    def home(self) -> Path:
        return self.settings.home.expanduser().resolve()

    @property
    def warehouse_url(self) -> str:
        """The SQLAlchemy URL of the warehouse, without creating the home."""
        return self.settings.warehouse_url or f"sqlite:///{self.home / 'warehouse.db'}"


def subject_of(path: Path | None, overrides: Sequence[str]) -> tuple[Check, Subject]:
    """Read the configuration, and return what is to be said of it; one that is not valid is looked at as the defaults.

    Raises:
        UsageError: a setting of the environment has a value that it cannot have.
    """
    try:
        config = read_config(ProjectConfig, path, overrides)
    except UsageError as error:
        found = f"{error} (the other checks are made with the defaults)"
        return broken(
            "configuration", found, "python -m tools.doctor --config FILE, once the file is mended"
        ), Subject()
    return fine("configuration", f"{path} is valid" if path else "no file; the defaults"), Subject(config)
