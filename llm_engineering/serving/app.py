"""The application: routes over ports, with everything that stands before them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from llm_engineering.config.serving import Serving
from llm_engineering.domain.ports.answers import Assistant, AssistantState, Searcher
from llm_engineering.serving import (
    routes_ask,
    routes_conversations,
    routes_health,
    routes_openai,
    routes_page,
    routes_search,
)
from llm_engineering.serving.described import refusals
from llm_engineering.serving.front import Front
from llm_engineering.serving.mistakes import mistakes
from llm_engineering.serving.problems import Problem
from llm_engineering.serving.service import Service
from llm_engineering.serving.shapes import UNREADABLE

ROUTES = (routes_ask, routes_search, routes_conversations, routes_openai, routes_health, routes_page)
DESCRIPTION = "Cited answers from an index: ask, search, look up."
# Codes for what the framework refuses by itself.
CODES = {400: "bad_request", 404: "not_found", 405: "wrong_method", 415: "wrong_type"}


def create_app(
    assistant: Assistant, searcher: Searcher, state: AssistantState, settings: Serving | None = None
) -> FastAPI:
    """Return the application over its ports, which stay with whoever opened them.

    Raises:
        UsageError: a key is missing, too short, or used twice.
    """
    service = Service(assistant, searcher, state, settings or Serving())
    # Swagger's page loads scripts from elsewhere, which our policy forbids; /openapi.json is there for every viewer.
    app = FastAPI(title="llm-engineering", description=DESCRIPTION, docs_url=None, redoc_url=None, lifespan=_lifespan)
    app.state.service = service
    for routes in ROUTES:
        app.include_router(routes.router, responses=refusals(routes.router.prefix))
    app.add_middleware(Front, service=service)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Give work of libraries that goes to asyncio's threads the same few threads as our own."""
    service: Service = app.state.service
    asyncio.get_running_loop().set_default_executor(service.threads)
    service.on_start()
    yield
    await service.on_end()
    service.close()


async def _invalid(request: Request, error: Exception) -> Response:
    """Say what is wrong with a body, without repeating what was sent."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    # What a text holds is said once, and not what else it might have been.
    unreadable = [f"the {_field(one['loc'])} {one['msg']}" for one in error.errors() if one["type"] == UNREADABLE]
    broken = any(one["type"] == "json_invalid" for one in error.errors())
    if broken:
        raise Problem(400, "bad_json", "the body is not valid JSON")
    if all(one["type"] == "model_attributes_type" and one["loc"] == ("body",) for one in error.errors()):
        raise Problem(415 if not _is_json(request) else 422, "wrong_type", "send a JSON object as application/json")
    status = 400 if request.url.path.startswith("/v1/") else 422
    raise Problem(status, "invalid", "; ".join((unreadable or mistakes(error.errors()))[:5]))


def _field(place: Sequence[object]) -> str:
    field = str(place[1]) if len(place) > 1 else "body"
    return {"messages": "message"}.get(field, field.replace("_", " "))


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower().endswith("json")


async def _refused(_request: Request, error: Exception) -> Response:
    """Give what the framework refuses our shape."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    allowed = (error.headers or {}).get("Allow", "")
    said = {
        400: "the body cannot be read; send JSON in UTF-8",
        404: "there is no such route; /openapi.json lists those that there are",
        405: f"this route takes {allowed}",
    }
    message = said.get(error.status_code, str(error.detail)[:200])
    raise Problem(error.status_code, CODES.get(error.status_code, "refused"), message)
