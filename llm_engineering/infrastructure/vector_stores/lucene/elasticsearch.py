"""The feature store in Elasticsearch."""

from typing import TYPE_CHECKING, ClassVar, Literal

from llm_engineering.infrastructure.vector_stores.lucene.spec import LuceneSpec
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.lucene.server import Server


class Elasticsearch(LuceneSpec):
    """Keep the index in Elasticsearch 9; LLM_ENGINEERING_ELASTICSEARCH_URL may hold the address,
    LLM_ENGINEERING_ELASTICSEARCH_API_KEY a key for it."""

    title: ClassVar[str] = "Elasticsearch"
    extra: ClassVar[str] = "elasticsearch"
    package: ClassVar[str] = "elasticsearch"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs="server",
        dense="exact, then approximate",
        sparse="engine",
        filters="engine, rest here",
        several_processes=True,
        several_machines=True,
        native_bm25=True,
        tested_with="a stand-in that speaks its routes; a real one where LLM_ENGINEERING_ELASTICSEARCH_URL is set",
        largest_search=10_000,
        largest_dimension=4_096,
    )

    kind: Literal["elasticsearch"] = "elasticsearch"

    def server(self) -> "Server":
        from llm_engineering.infrastructure.vector_stores.lucene.elasticsearch_server import ElasticsearchServer

        return ElasticsearchServer(self)
