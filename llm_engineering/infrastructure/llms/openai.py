"""Models behind OpenAI's API, or behind a server that speaks like it: vLLM, Ollama, LM Studio, `transformers serve`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.environment import with_secrets
from llm_engineering.infrastructure.llms.model_layer import ModelLayerLlm
from llm_engineering.infrastructure.llms.prices import card_of
from llm_engineering.infrastructure.llms.settings import KeyedSettings

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.models.openai import OpenAIChatModel

OPENAI = "https://api.openai.com/v1"


class OpenAI(KeyedSettings):
    """Kind `openai`: a model behind OpenAI's API or any server with the same one."""

    kind: Literal["openai"] = "openai"
    model: str = Field(min_length=1, description="the model's name at its server")
    base_url: str = Field(OPENAI, description="address of the API, usually ending in /v1")
    api_key: str = Field(
        "", description="${env:NAME}; empty: ${env:OPENAI_API_KEY} at OpenAI itself, no key at another server"
    )
    takes_schema: bool = Field(
        True, description="give the server the JSON Schema of an answer; false: tell the model in words"
    )

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI's own service. Its key goes nowhere else."""
        return self.base_url.rstrip("/") == OPENAI

    def open(self, home: Path | None = None) -> ModelLayerLlm:  # noqa: ARG002 - the signature of every model
        """Open the model; nothing is sent yet.

        Raises:
            UsageError: the key is missing, or the library.
        """
        from llm_engineering.infrastructure.llms.transport import client, require

        require("pydantic_ai.models.openai", "openai", self.kind)
        http = client()
        model = self._model(http)
        card = card_of(self, "openai" if self.is_openai else "openai-compatible", self.model, is_listed=self.is_openai)
        return ModelLayerLlm(card, model, http.aclose, takes_schema=self.takes_schema)

    def _model(self, http: "httpx2.AsyncClient") -> "OpenAIChatModel":
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.profiles.openai import OpenAIModelProfile
        from pydantic_ai.providers.openai import OpenAIProvider
        from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

        # Without it, a stream that its server has cut would pass for a whole answer.
        whole = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
        if self.is_openai:
            key = key_of(self.api_key, "OPENAI_API_KEY")
            ours = OpenAIProvider(base_url=OPENAI, api_key=key, http_client=http)
            return OpenAIChatModel(self.model, provider=ours, profile=whole, settings={"max_retries": 0})
        # `max_tokens` is the name that all of these servers know.
        profile = OpenAIModelProfile(**whole, openai_chat_supports_max_completion_tokens=False)
        other = OpenAICompatibleProvider(
            "openai-compatible",
            base_url=with_secrets(self.base_url),
            api_key=with_secrets(self.api_key) if self.api_key else None,
            http_client=http,
            profile=profile,
        )
        return OpenAIChatModel(self.model, provider=other, settings={"max_retries": 0})


def key_of(reference: str, usual: str) -> str:
    """Return the key that a configuration refers to, else the one in the usual environment variable.

    Raises:
        UsageError: it is not set.
    """
    try:
        return with_secrets(reference or f"${{env:{usual}}}")
    except UsageError as error:
        if reference or os.environ.get(usual):
            raise
        raise UsageError(
            f"the key is missing: set the environment variable {usual}, or `api_key` to another"
        ) from error
