"""What went wrong with a call to Qdrant, whichever of its libraries says so."""

import json
from dataclasses import dataclass
from json import JSONDecodeError

import grpc
import httpx
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

CLIENT_ERRORS = (
    ApiException,
    QdrantException,
    grpc.RpcError,
    httpx.HTTPError,
    httpx.InvalidURL,
    OSError,
    # What the client lets through when an answer is no JSON, or has no result.
    JSONDecodeError,
    UnicodeDecodeError,
    AssertionError,
)

TIMEOUT = 408
TOO_MANY = 429
SERVER_ERROR = 500
NOT_IMPLEMENTED = 501
LONGEST_TEXT = 400

# What gRPC's codes are in HTTP; those that are missing are a refusal like 400.
GRPC_STATUS = {
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: TOO_MANY,
    grpc.StatusCode.DEADLINE_EXCEEDED: TIMEOUT,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.INTERNAL: SERVER_ERROR,
    grpc.StatusCode.UNKNOWN: SERVER_ERROR,
    grpc.StatusCode.ABORTED: SERVER_ERROR,
    grpc.StatusCode.UNIMPLEMENTED: NOT_IMPLEMENTED,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed: `status` in HTTP's numbers (0: no answer), and what the server or the network said."""

    says: str
    status: int = 0
    transient: bool = False
    retry_after: float = 0.0


def failure_of(error: Exception) -> Failure:
    """Return what an exception of the client means."""
    if isinstance(error, ResourceExhaustedResponse):
        return Failure(f"429, {error}", TOO_MANY, transient=True, retry_after=max(0.0, float(error.retry_after_s)))
    if isinstance(error, QdrantException):  # a 429 whose Retry-After is no number
        return Failure(f"429, {error}", TOO_MANY, transient=True)
    if isinstance(error, UnexpectedResponse):
        status = error.status_code or 0
        return Failure(f"{status}, {answer(error.content)}", status, transient=may_pass(status))
    if isinstance(error, ResponseHandlingException):
        return failure_in_transport(error.source)
    if isinstance(error, grpc.RpcError):
        return grpc_failure(error)
    return failure_in_transport(error)


def failure_in_transport(error: Exception) -> Failure:
    """Return what an exception between us and the server means."""
    says = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return Failure(says)
    if isinstance(error, httpx.HTTPError | OSError):
        return Failure(says, transient=True)
    return Failure(f"its answer is not that of a Qdrant server ({type(error).__name__})")


def grpc_failure(error: grpc.RpcError) -> Failure:
    """Return what an exception of gRPC means."""
    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    says = error.details() if isinstance(error, grpc.Call) else str(error)
    status = GRPC_STATUS.get(code, 400)
    return Failure(f"{code.name}, {says}", status, transient=may_pass(status))


def may_pass(status: int) -> bool:
    """Return whether the same request may succeed a little later."""
    return status in (TIMEOUT, TOO_MANY) or (status >= SERVER_ERROR and status != NOT_IMPLEMENTED)


def answer(content: bytes) -> str:
    """Return what the server says, out of Qdrant's JSON or as it stands, in one short line."""
    text = content.decode(errors="replace")
    try:
        text = str(json.loads(text)["status"]["error"])
    except (ValueError, KeyError, TypeError):
        text = " ".join(text.split()) or "no reason given"
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
