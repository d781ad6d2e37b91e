"""Traces of answers as OpenTelemetry spans."""

from pydantic import Field

from llm_engineering.domain.value import Value


class Tracing(Value):
    """Section `tracing`: where spans go. Without an endpoint none are made."""

    endpoint: str = Field("", description="OTLP over HTTP, for example http://127.0.0.1:6006/v1/traces; empty: off")
