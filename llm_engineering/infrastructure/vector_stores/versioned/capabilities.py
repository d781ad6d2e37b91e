"""What an engine can do, said once: for the documentation, and for what is refused before any work starts."""

from typing import Literal

from pydantic import Field

from llm_engineering.domain.value import Value


class Capabilities(Value):
    """What a vector store can do. The table in docs/vector-stores.md is made of these."""

    runs: Literal["embedded", "server", "cloud", "in this process"] = Field(description="where the index lives")
    dense: Literal["exact", "approximate", "exact, then approximate"] = Field(
        description="how the nearest vectors are found; the middle of the last: approximate above a number of rows"
    )
    sparse: Literal["engine", "this package", "none"] = Field(
        description="who computes the dot product of sparse vectors with inverse document frequency"
    )
    filters: Literal["engine", "engine, rest here", "this package"] = Field(
        description="who decides a filter; the rest: what the engine cannot express exactly"
    )
    several_processes: bool = Field(description="whether several processes may search while one writes")
    several_machines: bool = Field(description="whether several machines may use one index")
    native_bm25: bool = Field(False, description="whether the engine ranks words itself; we do not use it for scores")
    erases_bytes: bool = Field(False, description="whether a purge leaves no byte in its files when it returns")
    tested_with: str = Field(description="what the contract suite runs against: a real engine, or a stand-in")
    largest_search: int = Field(1_000_000, description="the most hits that one search may ask for")
    largest_dimension: int = Field(65_536, description="the most components of a vector")

    @property
    def has_sparse(self) -> bool:
        """Whether modes `sparse` and `hybrid` can be used."""
        return self.sparse != "none"
