"""Elasticsearch behind its official client."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from elastic_transport import ConnectionTimeout, SerializationError, TlsError, TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.secrets import remember
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.vector_stores.lucene.server import (
    JSON,
    LINES,
    Server,
    failure_of_status,
    reason,
    without_user,
)
from llm_engineering.infrastructure.vector_stores.versioned.calls import Failure

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.lucene.spec import LuceneSpec

VARIABLE = "LLM_ENGINEERING_ELASTICSEARCH_URL"
OTHER = "write its address as load: store: kind: opensearch, if it is an OpenSearch"
# From this version on, a server leaves vectors out of documents unless the index says otherwise.
LEAVES_VECTORS_OUT = (9, 2)


class ElasticsearchServer(Server):
    """The requests of one engine to Elasticsearch 9."""

    cosine = "Math.max(0.0, cosineSimilarity(params.query, 'dense') + 1.0)"
    errors = (ApiError, TransportError)

    def __init__(self, spec: "LuceneSpec") -> None:
        super().__init__(spec)
        host, user = without_user(self.url)
        more: dict[str, Any] = {"ca_certs": str(spec.ca_certs)} if spec.ca_certs and host.startswith("https") else {}
        key = Settings().elasticsearch_api_key.get_secret_value()
        if key and user:
            raise UsageError(
                f"{VARIABLE} names a user, and LLM_ENGINEERING_ELASTICSEARCH_API_KEY is set; take one of the two away"
            )
        if key:
            remember(key)
            more["api_key"] = key
        # We ask again ourselves, and more patiently.
        self._client = Elasticsearch([host], basic_auth=user, max_retries=0, retry_on_timeout=False, **more)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | str | None,
        parameters: Mapping[str, str],
        timeout: float,
    ) -> Mapping[str, Any]:
        headers = {"accept": JSON}
        if body is not None:
            headers["content-type"] = LINES if isinstance(body, str) else JSON
        client = self._client.options(request_timeout=timeout)
        answer = client.perform_request(method, path, params=parameters, headers=headers, body=body).body
        return answer if isinstance(answer, Mapping) else {}

    def status_of(self, error: Exception) -> int:
        return error.meta.status if isinstance(error, ApiError) else 0

    def failure_of(self, error: Exception) -> Failure:
        if isinstance(error, UnsupportedProductError):
            return Failure("the server is no Elasticsearch", mend=OTHER)
        if isinstance(error, ApiError):
            says = reason(error.body)
            if "compatible-with" in says or "media_type" in says:
                return Failure(says, mend="use Elasticsearch 9, which this client speaks to")
            return failure_of_status(error.meta.status, says, VARIABLE)
        if isinstance(error, TlsError):
            return Failure(str(error), mend="name its certificates in load: store: ca_certs")
        if isinstance(error, SerializationError):
            return Failure("its answer is no JSON", mend=f"write the address of an Elasticsearch into {VARIABLE}")
        says = "no answer in time" if isinstance(error, ConnectionTimeout) else str(error)
        return Failure(says, transient=True)

    def settings(self) -> dict[str, Any]:
        return {"index.mapping.exclude_source_vectors": False} if self.version >= LEAVES_VECTORS_OUT else {}

    def vectors(self, dimension: int) -> dict[str, Any]:
        graph = {"type": "hnsw", "m": self.spec.m, "ef_construction": self.spec.ef_construction}
        return {
            "type": "dense_vector",
            "dims": dimension,
            "index": True,
            "similarity": "cosine",
            "index_options": graph,
        }

    def dimension(self, field: Mapping[str, Any]) -> int | None:
        return field.get("dims") if field.get("type") == "dense_vector" else None

    def approximate(self, vector: Sequence[float], filter: Mapping[str, Any], limit: int) -> dict[str, Any]:
        candidates = max(self.spec.candidates, limit)
        asked = {"field": "dense", "query_vector": vector, "k": limit, "num_candidates": candidates, "filter": filter}
        return {"knn": asked}

    def close(self) -> None:
        self._client.close()
