"""The feature store in OpenSearch."""

from typing import TYPE_CHECKING, ClassVar, Literal

from llm_engineering.infrastructure.vector_stores.lucene.spec import LuceneSpec
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.lucene.server import Server


class OpenSearch(LuceneSpec):
    """Keep the index in OpenSearch with its k-NN plug-in; LLM_ENGINEERING_OPENSEARCH_URL may hold the address."""

    title: ClassVar[str] = "OpenSearch"
    extra: ClassVar[str] = "opensearch"
    package: ClassVar[str] = "opensearchpy"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="server",
        dense="exact, then approximate",
        sparse="engine",
        filters="engine, rest here",
        several_processes=True,
        several_machines=True,
        native_bm25=True,
        tested_with="a stand-in that speaks its routes; a real one where LLM_ENGINEERING_OPENSEARCH_URL is set",
        largest_search=10_000,
        largest_dimension=16_000,
    )

    kind: Literal["opensearch"] = "opensearch"

    def server(self) -> "Server":
        from llm_engineering.infrastructure.vector_stores.lucene.opensearch_server import OpenSearchServer

        return OpenSearchServer(self)
