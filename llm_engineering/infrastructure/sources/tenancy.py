"""Whose the documents of a source are."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import AfterValidator, Field

from llm_engineering.domain.access import TENANT
from llm_engineering.domain.documents import Document, Item
from llm_engineering.domain.ports import Source
from llm_engineering.infrastructure.sources.naming import readable

Tenant = Annotated[
    Annotated[str, AfterValidator(readable)] | None,
    Field(
        max_length=200,
        description="whose the documents are: kept as metadata `tenant`, over whatever the documents themselves say; "
        "callers that are bound to tenants find theirs only. null: what the documents say counts",
    ),
]


@dataclass
class Tenanted:
    """A source all of whose documents belong to one tenant."""

    source: Source
    tenant: str
    name: str = field(init=False)
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        self.name, self.kind = self.source.name, self.source.kind

    @property
    def keeps_unshown(self) -> bool:
        """Whether what the source did not show is kept."""
        return bool(getattr(self.source, "keeps_unshown", False))

    def read(self) -> Iterator[Item]:
        for item in self.source.read():
            if isinstance(item, Document):
                item = replace(item, metadata={**item.metadata, TENANT: self.tenant})
            yield item
