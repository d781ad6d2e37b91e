"""What every source is opened with."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from llm_engineering.domain.documents import Metadata
from llm_engineering.domain.ports import KnownProvenance
from llm_engineering.domain.value import Value


class Fetching(Value):
    """How pages and repositories are fetched: polite and bounded."""

    user_agent: str = "llm-engineering/0.1 (+https://github.com/llm-engineering/llm-engineering)"
    requests_per_second: float = Field(1.0, gt=0, description="per host")
    timeout_seconds: float = Field(20.0, gt=0, description="for one request, redirects included")
    max_bytes: int = Field(10_000_000, gt=0, description="of one decoded response")
    max_redirects: int = Field(5, ge=0)
    retries: int = Field(2, ge=0, description="after a time-out, a lost connection, 429, 502, 503 or 504")
    max_retry_after_seconds: float = Field(60.0, ge=0, description="a longer Retry-After fails the item at once")
    respect_robots: bool = True
    parse_timeout_seconds: float = Field(20.0, gt=0, description="for one document in the parser's process")


def nothing_known(document_id: str) -> Metadata | None:  # noqa: ARG001 - the signature of `KnownProvenance`
    """Know no document: every conditional request becomes a plain one."""
    return None


@dataclass(frozen=True)
class SourceContext:
    """The state folder, how to fetch, what the warehouse knows, and whose documents these are."""

    home: Path
    fetching: Fetching = field(default_factory=Fetching)
    known: KnownProvenance = nothing_known
    user_id: str = ""
    author: str = ""
