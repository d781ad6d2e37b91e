"""Search, the documents behind the hits, and what can be filtered on."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from llm_engineering.domain.conditions import condition_of
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.queries import Retrieved
from llm_engineering.serving.problems import Problem
from llm_engineering.serving.replies import reply, retrieved_body
from llm_engineering.serving.service import KEYED, Reading, Searching, TheService
from llm_engineering.serving.shapes import Search

router = APIRouter(tags=["search"])
# Characters of a document in one reply.
LONGEST_SPAN = 100_000
Offset = Annotated[int | None, Query(ge=0, le=10**9)]


@router.post("/search", responses={200: {"model": Retrieved}})
async def search(body: Search, service: TheService, caller: Searching) -> Response:
    """Return the passages that answer a query best, among those that the caller may see."""
    limit = None if body.filter is None else condition_of(body.filter)
    with service.searches.passed():
        async with service.lifetime.within(service.settings.request_seconds):
            found = await service.searched(body.query, caller.access, limit, body.k)
    return reply(retrieved_body(found))


@router.get("/documents/{document_id}")
async def document(
    document_id: Annotated[str, Path(max_length=200)],
    service: TheService,
    caller: Reading,
    start: Offset = None,
    end: Offset = None,
    context: Annotated[int, Query(ge=0, le=20_000)] = 600,
) -> Response:
    """Return a span of a document with what stands around it; offsets are characters of its cleaned text."""
    found = await service.computed(service.searcher.document, document_id, caller.access)
    if found is None:
        raise Problem(404, "no_document", "there is no such document")
    return reply(_span(found, start or 0, end, context))


def _span(document: CleanedDocument, start: int, end: int | None, context: int) -> dict[str, object]:
    text, length = document.text, len(document.text)
    end = length if end is None else end
    if not start <= end <= length:
        raise Problem(422, "invalid", f"the span [{start}, {end}) is not within the document's {length} characters")
    end = min(end, start + LONGEST_SPAN)
    return {
        "document_id": document.id,
        "uri": document.uri,
        "title": document.title,
        "source": document.source,
        "format": document.format,
        "start": start,
        "end": end,
        "before": text[max(0, start - context) : start],
        "span": text[start:end],
        "after": text[end : end + context],
        "characters": length,
    }


@router.get("/facets")
async def facets(service: TheService, caller: Searching) -> Response:
    """Return the values that can be filtered on, with their number of passages, of what the caller may see."""
    found = await service.computed(service.searcher.facets, caller.access)
    return reply({field: dict(values) for field, values in found.items()})


@router.get("/models", dependencies=[KEYED])
async def models(service: TheService) -> Response:
    """Return the names of the models that can answer, the default first."""
    names = list(service.assistant.models())
    return reply({"models": names, "default": names[0]})
