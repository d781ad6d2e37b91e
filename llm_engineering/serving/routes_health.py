"""Whether the service lives, whether it can answer, and its numbers."""

from fastapi import APIRouter, Response

from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.serving.replies import reply
from llm_engineering.serving.service import MEASURING, TheService

router = APIRouter(tags=["operations"])


@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health() -> Response:
    """Say that the service lives."""
    return reply({"status": "alive"})


@router.head("/ready", include_in_schema=False)
@router.get("/ready")
async def ready(service: TheService) -> Response:
    """Say whether the index is open and the state can be reached; if not, which of them is missing."""
    missing = ["shutting_down"] if service.lifetime.draining else []
    if not await service.has_index():
        missing.append("index")
    try:
        await service.kept(service.state.ping)
    except LLMEngineeringError:
        missing.append("state")
    if missing:
        return reply({"status": "not ready", "missing": missing}, 503, {"retry-after": "5"})
    return reply({"status": "ready"})


@router.get("/metrics", dependencies=[MEASURING])
async def metrics(service: TheService) -> Response:
    """Return numbers in Prometheus' format."""
    await service.has_index()
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
