"""The indices of Elasticsearch and OpenSearch: their names, how they are made, what is known of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_engineering.infrastructure.vector_stores.lucene.documents import RECORDS
from llm_engineering.infrastructure.vector_stores.versioned.calls import Refused

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.lucene.server import Server
    from llm_engineering.infrastructure.vector_stores.lucene.spec import LuceneSpec


class Indices:
    """The indices of a server whose names begin with a prefix."""

    def __init__(self, server: "Server", spec: "LuceneSpec") -> None:
        self._server = server
        self._spec = spec
        self._dimensions: dict[str, int] = {}

    def name(self, table: str) -> str:
        """Return the name of an index."""
        return f"{self._spec.prefix}-{table}"

    def books(self) -> str:
        """Return the name of the index of the books, which is made when it is first asked for."""
        index = self.name("records")
        if "records" not in self._dimensions:
            if self.mapping("records") is None:
                self.make(index, RECORDS, {})
            self._dimensions["records"] = 0
        return index

    def make(self, index: str, mappings: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        """Make an index, unless another process was faster."""
        copies = {} if self._spec.replicas is None else {"index.number_of_replicas": self._spec.replicas}
        made = {"index.number_of_shards": self._spec.shards, **copies, **settings}
        try:
            self._server.ask("PUT", f"/{index}", {"settings": made, "mappings": mappings})
        except Refused as error:
            if "resource_already_exists" not in str(error):  # another process was faster
                raise

    def mapping(self, table: str) -> Mapping[str, Any] | None:
        """Return how the fields of an index are kept, or None if there is no such index."""
        found = self._server.ask("GET", f"/{self.name(table)}/_mapping", absent=True)
        described = next(iter(found.values()), None)
        return described["mappings"] if described else None

    def dimension(self, table: str) -> int | None:
        """Return how many components the vectors of a table have, or None if there is no such table."""
        if table not in self._dimensions:
            found = self.mapping(table) or {}
            dimension = self._server.dimension(found.get("properties", {}).get("dense", {}))
            if dimension is None:
                return None
            self._dimensions[table] = dimension
        return self._dimensions[table]

    def gone(self, table: str) -> None:
        """Forget what was known of a table: it is dropped."""
        self._dimensions.pop(table, None)
