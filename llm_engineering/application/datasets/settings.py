"""Section `dataset`: what a retriever is to learn from."""

from pydantic import Field

from llm_engineering.domain.value import Value


class DatasetSettings(Value):
    """Section `dataset`."""

    name: str = Field("retrieval", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", description="name of the data set")
    seed: int = Field(0, ge=0)
    licence: str = Field("", description="what its card says of the licence")
    users: tuple[str, ...] = Field((), description="who may use it; empty: everybody")
