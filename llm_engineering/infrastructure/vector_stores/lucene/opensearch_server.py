"""OpenSearch behind its official client."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import (
    ConnectionError as NotConnected,
)
from opensearchpy.exceptions import ConnectionTimeout, OpenSearchException, SerializationError, SSLError, TransportError

from llm_engineering.domain.errors import UsageError
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

VARIABLE = "LLM_ENGINEERING_OPENSEARCH_URL"
# From this version on, a server keeps vectors out of documents unless the index says otherwise.
DERIVES_SOURCE = (3, 0)


class OpenSearchServer(Server):
    """The requests of one engine to OpenSearch."""

    cosine = "Math.max(0.0, cosineSimilarity(params.query, doc['dense']) + 1.0)"
    errors = (OpenSearchException,)

    def __init__(self, spec: "LuceneSpec") -> None:
        super().__init__(spec)
        host, user = without_user(self.url)
        more: dict[str, Any] = {"ca_certs": str(spec.ca_certs)} if spec.ca_certs and host.startswith("https") else {}
        # We ask again ourselves, and more patiently.
        self._client = OpenSearch([host], http_auth=user, max_retries=0, retry_on_timeout=False, **more)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | str | None,
        parameters: Mapping[str, str],
        timeout: float,
    ) -> Mapping[str, Any]:
        headers = {"content-type": LINES if isinstance(body, str) else JSON}
        answer = self._client.transport.perform_request(
            method, path, params={**parameters, "request_timeout": timeout}, headers=headers, body=body
        )
        return answer if isinstance(answer, Mapping) else {}

    def status_of(self, error: Exception) -> int:
        status = error.status_code if isinstance(error, TransportError) else 0
        return status if isinstance(status, int) else 0

    def failure_of(self, error: Exception) -> Failure:
        if isinstance(error, SSLError):
            return Failure(str(error.info), mend="name its certificates in load: store: ca_certs")
        if isinstance(error, NotConnected):
            return Failure(
                "no answer in time" if isinstance(error, ConnectionTimeout) else str(error.info), transient=True
            )
        if isinstance(error, TransportError):
            return failure_of_status(self.status_of(error), reason(error.info), VARIABLE)
        if isinstance(error, SerializationError):
            return Failure("its answer is no JSON", mend=f"write the address of an OpenSearch into {VARIABLE}")
        return Failure(str(error))

    def check_product(self, answer: Mapping[str, Any]) -> None:
        kind = (answer.get("version") or {}).get("distribution") if isinstance(answer.get("version"), Mapping) else None
        if kind != "opensearch":
            raise UsageError(
                f"{self.spec.place_of(self.url)} cannot be used: the server is no OpenSearch; write the address of one "
                f"into {VARIABLE}, or choose load: store: kind: elasticsearch"
            )

    def settings(self) -> dict[str, Any]:
        derived = {"index.knn.derived_source.enabled": False} if self.version >= DERIVES_SOURCE else {}
        return {"index.knn": True, **derived}

    def vectors(self, dimension: int) -> dict[str, Any]:
        graph = {"m": self.spec.m, "ef_construction": self.spec.ef_construction}
        method = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil", "parameters": graph}
        return {"type": "knn_vector", "dimension": dimension, "method": method}

    def dimension(self, field: Mapping[str, Any]) -> int | None:
        return field.get("dimension") if field.get("type") == "knn_vector" else None

    def approximate(self, vector: Sequence[float], filter: Mapping[str, Any], limit: int) -> dict[str, Any]:
        # With Lucene's engine, k is also the number of candidates.
        return {"knn": {"dense": {"vector": vector, "k": max(self.spec.candidates, limit), "filter": filter}}}

    def close(self) -> None:
        self._client.close()
