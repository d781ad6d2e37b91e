"""The manners and limits of everything on a network."""

import os
from typing import Annotated

from pydantic import AfterValidator, Field

from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.network.private_hosts import parse


def _private_host(entry: str) -> str:
    parse(entry)  # a ValueError refuses the configuration
    return entry.strip()


PrivateHostEntry = Annotated[str, AfterValidator(_private_host)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Fetching(Value):
    """How pages and repositories are fetched: polite and bounded."""

    user_agent: str = Field(
        "llm-engineering/0.1 (+https://github.com/llm-engineering/llm-engineering)",
        pattern=r"^[\x21-\x7e][\x20-\x7e]*$",
        description="who we say we are; robots.txt is asked about what stands before the slash",
    )
    requests_per_second: float = Field(1.0, gt=0, description="per host")
    timeout_seconds: float = Field(20.0, gt=0, description="for one request, redirects included")
    max_bytes: int = Field(10_000_000, gt=0, description="of one decoded response")
    max_redirects: int = Field(5, ge=0, description="of one request")
    retries: int = Field(2, ge=0, description="after a time-out, a lost connection, 429, 502, 503 or 504")
    max_retry_after_seconds: float = Field(60.0, ge=0, description="a longer Retry-After fails the item at once")
    respect_robots: bool = Field(True, description="ask each host's robots.txt; false only for hosts of your own")
    max_crawl_delay_seconds: float = Field(30.0, ge=0, description="a longer Crawl-delay of robots.txt counts as this")
    parse_timeout_seconds: float = Field(20.0, gt=0, description="for one document in the parser's process")
    private_hosts: tuple[PrivateHostEntry, ...] = Field(
        (),
        description="hosts of your own that may be fetched from although their addresses are not public: names, "
        "addresses or networks (10.1.0.0/16), with :port for only that port. Everything else that leads to a private, "
        "loopback, link-local or reserved address is refused, also where a public page redirects to it",
    )
    ports: tuple[Port, ...] = Field(
        (),
        description="further ports that may be connected to, besides 80, 443 (22 for ssh) and those from 1024 on that "
        "no other service (database, mail, remote desktop …) is known for",
    )
    parse_memory_mb: int = Field(
        2048,
        ge=512,
        le=1_048_576,
        description="of the parser's process; a document that needs more is read more simply",
    )
    parse_processes: int | None = Field(
        None, ge=1, le=64, description="documents that are parsed at once; null: one for each core, four at most"
    )

    @property
    def parsers(self) -> int:
        """How many documents are parsed at once."""
        return self.parse_processes or min(os.cpu_count() or 1, 4)
