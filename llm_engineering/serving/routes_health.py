"""Whether the service lives, whether it can answer, and its numbers."""

from fastapi import APIRouter, Response

from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.serving.replies import reply
from llm_engineering.serving.service import MEASURING, Service, TheService

router = APIRouter(tags=["operations"])


@router.get("/health")
async def health() -> Response:
    """Say that the service lives."""
    return reply({"status": "alive"})


@router.get("/ready")
async def ready(service: TheService) -> Response:
    """Say whether the index is open and the state can be reached; if not, which of them is missing."""
    missing = ["shutting_down"] if service.lifetime.draining else []
    if not await _note_index(service):
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
    await _note_index(service)
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _note_index(service: Service) -> bool:
    """Count the index as the one that is read; tell whether there is one."""
    service.metrics.index.clear()
    try:
        manifest = await service.kept(service.searcher.manifest)
    except LLMEngineeringError:
        return False
    service.metrics.index.labels(manifest.version, manifest.model.name).set(1)
    return True
