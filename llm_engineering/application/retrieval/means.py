"""What some stages of a search need beside the index."""

from collections.abc import Callable
from dataclasses import dataclass

from llm_engineering.application.retrieval.asking import Ask
from llm_engineering.application.retrieval.neighbours import EntityNeighbours
from llm_engineering.application.retrieval.parents import Documents
from llm_engineering.application.retrieval.reranking import Reranking
from llm_engineering.application.retrieval.self_query import Facets


@dataclass(frozen=True)
class Means:
    """What some stages need beside the index. A stage whose means are missing is left out, and its trace says so.

    `facets` and `documents` show only what the caller of this search may see; `passages` is how many the index has.
    """

    reranking: Reranking | None = None
    ask: Ask | None = None
    facets: Callable[[], Facets] | None = None
    documents: Documents | None = None
    graph: Callable[[], EntityNeighbours | None] | None = None
    passages: Callable[[], int] | None = None


NOTHING = Means()
