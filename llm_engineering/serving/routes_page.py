"""The chat page: a few static files that anybody may load. What they show is asked for with a key."""

from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from llm_engineering.serving.problems import Problem

router = APIRouter(include_in_schema=False)
PAGE = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@router.get("/")
async def index() -> Response:
    """Return the page."""
    return _file("index.html")


@router.get("/page/{name}")
async def file(name: str) -> Response:
    """Return a file of the page."""
    return _file(name)


def _file(name: str) -> Response:
    """Return a file by its name, which is compared with those that there are: no path leads out of the folder."""
    for path in PAGE.glob("*"):
        if path.name == name and path.suffix in TYPES:
            return FileResponse(path, media_type=TYPES[path.suffix], headers={"cache-control": "no-cache"})
    raise Problem(404, "not_found", "there is nothing at this address")
