"""The manners and limits of everything on a network."""

from pydantic import Field

from llm_engineering.domain.value import Value


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
