"""Claude, through Anthropic's API."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from llm_engineering.infrastructure.environment import with_secrets
from llm_engineering.infrastructure.llms.model_layer import ModelLayerLlm
from llm_engineering.infrastructure.llms.openai import key_of
from llm_engineering.infrastructure.llms.prices import TIERS, card_of
from llm_engineering.infrastructure.llms.settings import KeyedSettings

ANTHROPIC = "https://api.anthropic.com"
DEFAULT_TIER: Literal["sonnet"] = "sonnet"


class Anthropic(KeyedSettings):
    """Kind `anthropic`: a Claude model, by its tier or by its name."""

    kind: Literal["anthropic"] = "anthropic"
    tier: Literal["haiku", "sonnet", "opus"] | None = Field(
        None, description="the current model of a tier: haiku (fast), sonnet (default), opus (strongest)"
    )
    model: str = Field("", description="a model by its name, instead of a tier")
    base_url: str = Field(ANTHROPIC, description="address of the API")
    api_key: str = Field("", description="${env:NAME}; empty: ${env:ANTHROPIC_API_KEY}")
    takes_schema: bool = Field(True, description="give the API the JSON Schema of an answer; false: tell it in words")

    @model_validator(mode="after")
    def _is_one_model(self) -> Self:
        if self.tier and self.model:
            raise ValueError(f"tier {self.tier!r} and model {self.model!r} exclude each other; give one of them")
        return self

    @classmethod
    def default_name(cls, section: dict[str, Any]) -> str:
        """Return the model's name, or the tier's."""
        return str(section.get("model") or f"claude-{section.get('tier') or DEFAULT_TIER}")

    @property
    def model_name(self) -> str:
        """The name of the model at Anthropic."""
        return self.model or TIERS[self.tier or DEFAULT_TIER]

    def open(self, home: Path | None = None) -> ModelLayerLlm:  # noqa: ARG002 - the signature of every model
        """Open the model; nothing is sent yet.

        Raises:
            UsageError: the key is missing, or the library.
        """
        from llm_engineering.infrastructure.llms.transport import client, require

        require("pydantic_ai.models.anthropic", "anthropic", self.kind)
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        key, http = key_of(self.api_key, "ANTHROPIC_API_KEY"), client()
        provider = AnthropicProvider(api_key=key, base_url=with_secrets(self.base_url), http_client=http)
        model = AnthropicModel(self.model_name, provider=provider, settings={"max_retries": 0})
        card = card_of(self, "anthropic", self.model_name)
        return ModelLayerLlm(card, model, http.aclose, takes_schema=self.takes_schema)
