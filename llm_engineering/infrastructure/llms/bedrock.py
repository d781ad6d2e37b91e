"""Models on Amazon Bedrock, through its Converse API."""

import asyncio
from pathlib import Path
from typing import Literal

from pydantic import Field

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.llms.model_layer import ModelLayerLlm
from llm_engineering.infrastructure.llms.prices import card_of
from llm_engineering.infrastructure.llms.settings import LlmSettings


class Bedrock(LlmSettings):
    """Kind `bedrock`: a model on Amazon Bedrock. Keys are found where AWS tools look for them."""

    kind: Literal["bedrock"] = "bedrock"
    model: str = Field(min_length=1, description="model id, for example eu.anthropic.claude-sonnet-5-5-v1:0")
    region: str | None = Field(None, description="AWS region; null: as AWS tools find it")
    profile: str | None = Field(None, description="AWS profile; null: as AWS tools find it")
    endpoint: str | None = Field(None, description="address of the API, for example a VPC endpoint")
    takes_schema: bool = Field(False, description="give the API the JSON Schema of an answer; false: tell it in words")

    def open(self, home: Path | None = None) -> ModelLayerLlm:  # noqa: ARG002 - the signature of every model
        """Open the model; nothing is sent yet.

        Raises:
            UsageError: there is no region, or the library is missing.
        """
        from llm_engineering.infrastructure.llms.transport import require

        require("boto3", "bedrock", self.kind)
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        from pydantic_ai.models.bedrock import BedrockConverseModel
        from pydantic_ai.providers.bedrock import BedrockProvider

        # No retries in there: those of this project know the deadline. A thread in it cannot be cancelled, so its
        # socket gives up on its own.
        patience = Config(
            retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=self.limits.first_token_timeout
        )
        try:
            session = boto3.Session(profile_name=self.profile, region_name=self.region)
            remote = session.client("bedrock-runtime", endpoint_url=self.endpoint, config=patience)
        except BotoCoreError as error:
            raise UsageError(
                f"Bedrock cannot be used: {error}; set `region`, or `profile` to one that exists"
            ) from error
        model = BedrockConverseModel(self.model, provider=BedrockProvider(bedrock_client=remote))
        card = card_of(self, "bedrock", self.model)

        async def close() -> None:
            await asyncio.to_thread(remote.close)

        return ModelLayerLlm(card, model, close, takes_schema=self.takes_schema)
