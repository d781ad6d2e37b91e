"""What all language models are configured with: their name, limits, retries, budget, price."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.environment import check_keyed


class Price(Value):
    """What a model costs, in US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class Budget(Value):
    """How much a model may take; a call that might pass it is not made. null: as much as it likes.

    A budget of a day is one for all processes that share a home, and outlives them.
    """

    tokens: int | None = Field(None, gt=0, description="tokens read and written, together")
    dollars: float | None = Field(None, gt=0, description="US dollars; needs a known price")
    per: Literal["day", "process"] = Field("day", description="day: anew at midnight UTC")


class CallLimits(Value):
    """How long, how often and how many at once."""

    timeout: float = Field(120.0, gt=0, le=3_600, description="seconds for a call as a whole, waiting included")
    first_token_timeout: float = Field(60.0, gt=0, description="seconds until a stream says something")
    token_timeout: float = Field(30.0, gt=0, description="seconds between two pieces of a stream")
    retries: int = Field(2, ge=0, le=10, description="further attempts after a failure that may pass")
    concurrency: int = Field(16, ge=1, le=10_000, description="calls at the same time; others wait")
    breaker_failures: int = Field(
        5, ge=0, le=1_000, description="attempts in a row that failed, after which it is left alone; 0: never"
    )
    breaker_seconds: float = Field(30.0, gt=0, le=86_400, description="for so long; then one call tries it again")
    requests_per_minute: int | None = Field(None, gt=0)
    tokens_per_minute: int | None = Field(None, gt=0)


class LlmSettings(Value):
    """What every kind of model has in common."""

    name: str = Field("", description="how callers ask for it; empty: the model's name")
    limits: CallLimits = Field(default_factory=CallLimits)
    budget: Budget = Field(default_factory=Budget)
    price: Price | None = Field(None, description="US dollars per million tokens; null: from the built-in table")
    context_window: int | None = Field(None, gt=0, description="tokens it reads at once; null: as known")
    cache_seconds: float = Field(
        0.0, ge=0, description="keep completions at temperature 0 for so long; 0: not at all. They are texts of sources"
    )
    fallback: tuple[str, ...] = Field((), description="names of models that are asked, in order, when this one fails")

    @model_validator(mode="before")
    @classmethod
    def _is_named(cls, section: Any) -> Any:
        """Name a model after itself, so that the name is there whenever it is read."""
        if isinstance(section, dict) and not section.get("name"):
            return {**section, "name": cls.default_name(section)}
        return section

    @classmethod
    def default_name(cls, section: dict[str, Any]) -> str:
        """Return the name of a model that was given none."""
        model = cls.model_fields.get("model")
        return str(section.get("model") or (model.default if model else "") or "")


class KeyedSettings(LlmSettings):
    """A model behind an address that may want a key."""

    base_url: str
    api_key: str

    @model_validator(mode="after")
    def _holds_no_secret(self) -> Self:
        check_keyed(self.api_key, self.base_url)
        return self
