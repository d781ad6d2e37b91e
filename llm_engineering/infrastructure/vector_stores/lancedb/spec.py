"""The feature store in LanceDB: files of this machine, of an object store, or LanceDB's cloud."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from llm_engineering.domain.secrets import holds_secret
from llm_engineering.infrastructure.vector_stores.located import LocatedSpec
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities
from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine


class Lancedb(LocatedSpec):
    """Keep the index in LanceDB: in the home, in another folder, at s3://bucket/path, or in its cloud at db://name."""

    title: ClassVar[str] = "LanceDB"
    extra: ClassVar[str] = "lancedb"
    package: ClassVar[str] = "lancedb"
    example: ClassVar[str] = "s3://bucket/path"
    schemes: ClassVar[tuple[str, ...]] = ("s3", "gs", "az", "db")
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="embedded",
        dense="exact",
        sparse="this package",
        filters="engine, rest here",
        several_processes=True,
        several_machines=True,
        erases_bytes=True,
        tested_with="the real engine, in a folder; not its cloud",
    )

    kind: Literal["lancedb"] = "lancedb"
    index_from: int = Field(
        50_000, ge=1, description="rows from which on filters have indexes; searches look at all allowed vectors"
    )
    storage: Mapping[str, str] = Field(
        default_factory=dict,
        description="options of the object store, such as endpoint, region, allow_http; credentials come from the "
        "environment (AWS_ACCESS_KEY_ID …), or as ${env:NAME}",
    )

    @field_validator("storage")
    @classmethod
    def _names_no_secrets(cls, options: Mapping[str, str]) -> Mapping[str, str]:
        for name, value in options.items():
            if holds_secret(f"{name}={value}"):
                raise ValueError(
                    f"{name} holds a secret; set AWS_SECRET_ACCESS_KEY … in the environment, or write ${{env:NAME}}"
                )
        return options

    def engine(self, home: Path, collection: str) -> Engine:
        from llm_engineering.infrastructure.vector_stores.lancedb.engine import LancedbEngine

        folder = None if self.is_elsewhere() else self.folder(home, collection)
        return LancedbEngine(self, folder, "" if folder else self.address(), self.place(home))
