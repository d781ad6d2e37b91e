"""Traces of answers as OpenTelemetry spans: where they go, and how much they say."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports.answers import Assistant
from llm_engineering.domain.secrets import REFERENCE, holds_secret, redacted
from llm_engineering.domain.value import Value

# How much of questions, answers and passages a trace says: nothing, digests to compare them by, or the texts.
Content = Literal["none", "hashes", "full"]
_SCHEMES = frozenset({"", "bearer", "basic", "token"})


class Tracing(Value):
    """Section `tracing`: where spans go. Without an endpoint none are made."""

    endpoint: str = Field("", description="OTLP over HTTP, for example http://127.0.0.1:6006/v1/traces; empty: off")
    headers: dict[str, str] = Field(
        default_factory=dict, description="sent with the spans, for example {Authorization: 'Bearer ${env:TRACES_KEY}'}"
    )
    sample: float = Field(1.0, ge=0, le=1, description="share of the answers that are traced")
    content: Content = Field("hashes", description="what of questions, answers and passages is sent: none|hashes|full")
    project: str = Field("llm-engineering", min_length=1, description="name of the project in the viewer")

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        place = urlsplit(self.endpoint)
        if self.endpoint and (place.scheme not in ("http", "https") or not place.hostname):
            raise ValueError("endpoint: give a whole address, for example http://127.0.0.1:6006/v1/traces")
        return self

    @model_validator(mode="after")
    def _holds_no_secrets(self) -> Self:
        if holds_secret(self.endpoint):
            raise ValueError("endpoint: it holds a secret; send it in `headers`, as ${env:NAME}")
        for name, value in self.headers.items():
            bare = REFERENCE.sub("", value).strip()
            if bare.lower() not in _SCHEMES and redacted({name: value}) != {name: value}:
                raise ValueError(
                    f"headers.{name}: it holds a secret, which would be stored with every run; put it into an "
                    "environment variable and write ${env:NAME}"
                )
        return self


def traced(assistant: Assistant, tracing: Tracing) -> Assistant:
    """Return an assistant whose answers are traced; the same one where tracing is off.

    Raises:
        UsageError: the extra `tracing` is not installed, or a variable of a header is not set.
    """
    if not tracing.endpoint or not tracing.sample:
        return assistant
    try:
        from llm_engineering.infrastructure.observability.span_export import open_provider
    except ImportError as error:
        raise UsageError(
            f"traces need the extra 'tracing' ({error.name} is missing); type: poetry install --extras tracing"
        ) from None
    from llm_engineering.infrastructure.observability.traced_assistant import TracedAssistant

    return TracedAssistant(assistant, open_provider(tracing), tracing.content)
