"""Section `promotion`: which model is to serve, and what it has to prove before."""

from pydantic import Field

from llm_engineering.domain.value import Value


class PromotionSettings(Value):
    """Section `promotion`."""

    model: str = Field("", description="candidate: NAME (its newest version), NAME@NUMBER or NAME@staging")
