"""What openapi.json says of all routes: how a key is shown, and what a refusal looks like."""

from typing import Any

from fastapi.security import HTTPBearer
from pydantic import BaseModel

# Only described here: `Callers` decides, before a route is looked at.
KEY = HTTPBearer(auto_error=False, scheme_name="key", description="a key under `serving.keys`, where there are any")


class Reason(BaseModel):
    """Why a request was refused; the log has more under the request id."""

    code: str
    message: str
    request_id: str


class Refusal(BaseModel):
    """A request that was refused, or failed."""

    error: Reason


class ReasonBelowV1(BaseModel):
    """The same in OpenAI's shape."""

    message: str
    type: str
    param: str | None
    code: str


class RefusalBelowV1(BaseModel):
    """A request that was refused, or failed, in OpenAI's shape."""

    error: ReasonBelowV1


def refusals(prefix: str) -> dict[int | str, dict[str, Any]]:
    """Return what the routes of a prefix answer instead, as FastAPI takes it."""
    model = RefusalBelowV1 if prefix == "/v1" else Refusal
    return {
        "4XX": {"model": model, "description": "The request is wrong, not allowed, or one too many"},
        "5XX": {"model": model, "description": "The service could not answer"},
    }
