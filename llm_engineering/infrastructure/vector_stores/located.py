"""Settings of a store that is a folder of this machine, or elsewhere if an address says so."""

from pathlib import Path
from typing import Self

from pydantic import Field

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.secrets import redact
from llm_engineering.infrastructure.environment import with_secrets
from llm_engineering.infrastructure.vector_stores.versioned.spec import FOLDER, EngineSpec, ServerSpec


class LocatedSpec(ServerSpec):
    """A folder of the home, or what the YAML or `LLM_ENGINEERING_<KIND>_URL` names: another folder, an address."""

    url: str = Field(
        "", description="a folder, or an address; empty: what LLM_ENGINEERING_<KIND>_URL says, or a folder of the home"
    )

    def check(self) -> None:
        EngineSpec.check(self)
        if self.is_elsewhere():
            self.address()

    def is_elsewhere(self) -> bool:
        """Return whether the index is behind an address."""
        return "://" in self._named() and not self._named().startswith("file://")

    def folder(self, home: Path, collection: str) -> Path:
        """Return the folder, where the index is in one.

        Raises:
            UsageError: what is named is neither a folder nor an address.
        """
        named = self._named().removeprefix("file://")
        if not named:
            return home / FOLDER / self.name() / collection
        folder = Path(named).expanduser().absolute()
        if folder.exists() and not folder.is_dir():
            raise UsageError(
                f"{redact(str(folder))} (load: store: url) is no folder; name a folder for {self.title}, or an "
                f"address such as {self.example}"
            )
        return folder

    def place(self, home: Path) -> str:
        named = self._named()
        if self.is_elsewhere():
            return self.place_of(named)
        return f"{self.title} in {redact(named) or home / FOLDER / self.name()}"

    def _named(self) -> str:
        named = self.url or self.in_environment()
        # A reference at the very beginning stands for a whole address.
        return with_secrets(named) if named.startswith("${env:") else named

    def advice(self) -> str:
        return super().advice() if self.is_elsewhere() or not self.is_installed() else "python -m tools.index repair"

    @classmethod
    def of_home(cls, home: Path, collection: str) -> Self | None:
        there = bool(cls.in_environment()) or (home / FOLDER / cls.name() / collection).is_dir()
        return cls() if there else None
