"""What is looked at: the settings of the environment, and a configuration."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from llm_engineering.config import read_config
from llm_engineering.config.project import ProjectConfig
from llm_engineering.domain.checkup import Check, broken, fine
from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.settings import Settings

PREFIX = "LLM_ENGINEERING_"


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
    So are settings of the environment with values that they cannot have.
    """
    wrong, settings = _settings()
    try:
        config = read_config(ProjectConfig, path, overrides)
    except UsageError as error:
        found = f"{error} (the other checks are made with the defaults)"
        advice = "python -m tools.doctor --config FILE, once the file is mended"
        return broken("configuration", found, advice), Subject(settings=settings)
    if wrong:
        found = f"the environment has values that cannot be: {'; '.join(wrong.values())}"
        return broken("configuration", found, f"unset {' '.join(wrong)}"), Subject(config, settings)
    return fine("configuration", f"{path} is valid" if path else "no file; the defaults"), Subject(config, settings)


def _settings() -> tuple[dict[str, str], Settings]:
    """Return what is wrong, by environment variable, and the settings with the defaults in these places."""
    try:
        return {}, Settings()
    except ValidationError as error:
        fields = {str(mistake["loc"][0]).lower(): mistake["msg"] for mistake in error.errors() if mistake["loc"]}
    names = {name.removeprefix(PREFIX.lower()): said for name, said in fields.items()}
    defaults = {name: Settings.model_fields[name].default for name in names if name in Settings.model_fields}
    return {f"{PREFIX}{name.upper()}": f"{PREFIX}{name.upper()}: {said}" for name, said in names.items()}, Settings(
        **defaults
    )
