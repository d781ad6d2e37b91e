"""Documents given in the configuration itself: the source for tests, notebooks and trials. It touches nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from llm_engineering.domain.documents import Document, Item, Rejection
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.formats import format_of
from llm_engineering.infrastructure.sources.naming import SourceName
from llm_engineering.infrastructure.sources.tenancy import Tenant


class Memory(Value):
    """Documents written down here, by URI. An empty mapping is a source that lost all it had."""

    kind: Literal["memory"] = "memory"
    documents: Mapping[str, str] = Field(description="URI → text; the end of the URI gives the format, as for files")
    name: SourceName = Field("memory", description="what the documents are kept under")
    tenant: Tenant = None

    def open(self, context: SourceContext) -> "MemorySource":
        """Open the source."""
        return MemorySource(self.name, self, context)


@dataclass
class MemorySource:
    """Yields the documents in the order of their URIs; an empty text is rejected, as everywhere."""

    name: str
    spec: Memory
    context: SourceContext
    kind: str = "memory"

    def read(self) -> Iterator[Item]:
        for uri, text in sorted(self.spec.documents.items()):
            if not text.strip():
                yield Rejection(uri, self.name, "empty", "there is nothing but white space in it")
                continue
            text_format, language = format_of(uri)
            yield Document(
                uri=uri,
                source=self.name,
                format=text_format,
                text=text,
                title=uri.rpartition("/")[2],
                user_id=self.context.user_id,
                metadata={**self.context.authorship, **({"language": language} if language else {})},
            )
