"""The way in: a question, what the caller may see, and the settings of a search."""

from collections.abc import Iterable, Iterator, Sequence

from llm_engineering.application.retrieval.candidates import Tokenize
from llm_engineering.application.retrieval.filters import allowed
from llm_engineering.application.retrieval.means import NOTHING, Means
from llm_engineering.application.retrieval.settings import Retrieval
from llm_engineering.application.retrieval.stages import Search
from llm_engineering.domain.access import Access
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import Embedder, VectorIndex
from llm_engineering.domain.queries import Filter, Hit, Retrieved

__all__ = ["NOTHING", "Means", "Tokenize", "retrieve", "retrieve_all"]


def retrieve(
    query: str,
    index: VectorIndex,
    embedder: Embedder | None,
    tokenize: Tokenize,
    settings: Retrieval,
    filter: Filter | None = None,
    k: int | None = None,
    *,
    access: Access,
    means: Means = NOTHING,
) -> Retrieved:
    """Return the best passages for a query, best first, and what each stage did.

    A sparse search needs no embedder. Keys of the filter are resolved by `payload_filter`; `access` stands above it.

    Raises:
        UsageError: the query is blank, the filter is wrong, or the embedder is not the one of the index.
        BackendError: the store or the embedder failed.
    """
    if not query.strip():
        raise UsageError("the query is empty; ask for something")
    wanted = settings.k if k is None else k
    if wanted < 1:
        raise UsageError(f"k is {wanted}; ask for at least one hit")
    condition = allowed(filter, access)
    return Search(query, index, embedder, tokenize, settings, wanted, means, condition).run()


def retrieve_all(
    queries: Iterable[tuple[str, Filter]],
    index: VectorIndex,
    embedder: Embedder | None,
    tokenize: Tokenize,
    settings: Retrieval,
    k: int | None = None,
    *,
    access: Access,
    means: Means = NOTHING,
) -> Iterator[Sequence[Hit]]:
    """Yield the hits of many queries with their filters, in order."""
    for query, its_filter in queries:
        yield retrieve(query, index, embedder, tokenize, settings, its_filter, k, access=access, means=means).hits
