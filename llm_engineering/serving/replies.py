"""Bodies of replies: JSON that takes any text, and errors in the shape that their route promises."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import Response

from llm_engineering.domain.queries import Hit, Retrieved
from llm_engineering.serving.problems import Problem

JSON = "application/json"
# OpenAI's names for kinds of errors; its client tells them apart by status, people by these.
OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def encoded(content: object) -> bytes:
    """Return a value as JSON in UTF-8. A text that UTF-8 cannot hold (a lone surrogate) is written with escapes."""
    try:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(content, separators=(",", ":")).encode()


def reply(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON reply."""
    return Response(encoded(content), status, dict(headers or {}), JSON)


def problem_body(problem: Problem, request_id: str, path: str) -> dict[str, Any]:
    """Return the body for a problem: in OpenAI's shape below /v1, in ours elsewhere."""
    if path.startswith("/v1/"):
        kind = OPENAI_TYPES.get(problem.status, "server_error" if problem.status >= 500 else "invalid_request_error")
        return {"error": {"message": problem.message, "type": kind, "param": None, "code": problem.code}}
    return {"error": {"code": problem.code, "message": problem.message, "request_id": request_id}}


def problem_headers(problem: Problem) -> dict[str, str]:
    """Return the headers that go with a problem."""
    headers = {}
    if problem.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(problem.retry_after)))
    if problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    return headers


def hit_body(hit: Hit) -> dict[str, Any]:
    """Return a hit as JSON holds it."""
    body = {name: getattr(hit, name) for name in Hit.__slots__}
    parent = asdict(hit.parent) if hit.parent else None
    return body | {"metadata": dict(hit.metadata), "scores": dict(hit.scores), "parent": parent}


def retrieved_body(found: Retrieved) -> dict[str, Any]:
    """Return what a search found as JSON holds it."""
    return {
        "query": found.query,
        "hits": [hit_body(hit) for hit in found.hits],
        "answerable": found.answerable,
        "confidence": found.confidence,
        "version": found.version,
        "warnings": list(found.warnings),
        "stages": [stage.model_dump(mode="json") for stage in found.stages],
    }
