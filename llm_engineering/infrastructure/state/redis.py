"""The assistant's state in Redis, for several machines that answer from one index."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.environment import with_secrets
from llm_engineering.infrastructure.state.addresses import without_secret
from llm_engineering.infrastructure.state.keeping import Keeping

if TYPE_CHECKING:
    from llm_engineering.infrastructure.state.redis_store import RedisAssistantState

_SCHEMES = ("redis://", "rediss://", "unix://")


class RedisState(Keeping):
    """Kind `redis`: a Redis server (7 or newer, no cluster). Its persistence decides what a restart leaves."""

    kind: Literal["redis"] = "redis"
    url: str = Field("redis://127.0.0.1:6379/0", description="redis://, rediss:// (TLS) or unix://, or ${env:NAME}")
    prefix: str = Field(
        "llm-engineering:", min_length=1, max_length=100, description="what the names of all keys begin with"
    )
    timeout_seconds: float = Field(10.0, gt=0, le=600, description="for connecting, and for one command")

    @field_validator("url")
    @classmethod
    def _holds_no_secret(cls, url: str) -> str:
        if not url.startswith((*_SCHEMES, "${env:")):
            raise ValueError(f"begin it with one of {', '.join(_SCHEMES)}, or refer to a variable: ${{env:REDIS_URL}}")
        return without_secret(url)

    def open(self, home: Path) -> "RedisAssistantState":  # noqa: ARG002 - one signature for all stores
        """Connect to the server.

        Raises:
            UsageError: the extra is missing, the address is wrong, or the server refuses the password.
            BackendError: the server cannot be reached.
        """
        try:
            from llm_engineering.infrastructure.state.redis_store import RedisAssistantState
        except ModuleNotFoundError as error:
            raise UsageError(
                "the assistant's state is of kind redis, and its client is not installed; "
                "type: pip install 'llm-engineering[redis]'"
            ) from error
        address = with_secrets(self.url)
        if not address.startswith(_SCHEMES):
            raise UsageError(f"state.url: the address of Redis begins with one of {', '.join(_SCHEMES)}")
        state = RedisAssistantState(address, self)
        try:
            state.ping()
        except BaseException:
            state.close()
            raise
        return state
