"""A Redis server behind its official client: commands, and what its errors mean."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    RedisError,
)
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as NoAnswer
from redis.retry import Retry

from llm_engineering.infrastructure.vector_stores.versioned.calls import Calls, Failure

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.redis.spec import RedisSearch

T = TypeVar("T")
Command = Sequence[Any]

CONNECT_SECONDS = 2.0
# A server that was never reached is not waited for any longer.
FIRST_SECONDS = 3.0
VARIABLE = "LLM_ENGINEERING_REDIS_URL"


class Unready(RedisError):  # noqa: N818 - a state, not a fault
    """The server is still reading its rows into the index."""


class RedisServer:
    """The commands of one engine."""

    def __init__(self, spec: "RedisSearch") -> None:
        self._url = spec.address()
        self._timeout = float(spec.timeout_seconds)
        self._call = Calls(spec.place_of(self._url), spec.patience_seconds, (RedisError,), failure_of)
        self._client: Redis | None = None

    def ask(self, *command: Any) -> Any:
        """Send a command and return its answer."""
        return self._do(lambda client: client.execute_command(*command))  # type: ignore[no-untyped-call]

    def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together and return their answers; one that is refused is an error."""
        if not commands:
            return []

        def send(client: Redis) -> list[Any]:
            pipeline = client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            return list(pipeline.execute())

        return self._do(send)

    def check(self, ready: Callable[[], bool]) -> None:
        """Wait until the server is ready, as long as for one that is away."""

        def ask() -> None:
            if not ready():
                raise Unready("it is still reading its rows into the index")

        self._call(ask)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _do(self, work: Callable[[Redis], T]) -> T:
        def attempt() -> T:
            if self._client is None:
                first = self._connected(min(FIRST_SECONDS, self._timeout))
                try:
                    first.ping()
                finally:
                    first.close()
                self._client = self._connected(self._timeout)
            return work(self._client)

        return self._call(attempt)

    def _connected(self, timeout: float) -> Redis:
        return Redis.from_url(
            self._url,
            protocol=2,
            socket_timeout=timeout,
            socket_connect_timeout=min(CONNECT_SECONDS, timeout),
            retry=Retry(NoBackoff(), 0),  # we ask again ourselves, and more patiently
        )


def failure_of(error: Exception) -> Failure:
    """Say what an error of Redis or of its client means."""
    says = str(error) or type(error).__name__
    if isinstance(error, AuthenticationError | AuthorizationError) or says.startswith(("NOAUTH", "WRONGPASS")):
        return Failure(says, mend=f"mend user and password in {VARIABLE}")
    if isinstance(error, NoPermissionError):
        return Failure(says, mend="give that user the right to the search commands and to the keys <prefix>:*")
    if "unknown command" in says.lower() and "FT." in says:
        return Failure("this Redis cannot search", mend="use Redis 8, or an earlier one with the module RediSearch")
    if says.startswith("OOM"):
        return Failure(says, mend="raise maxmemory of that Redis, or remove old versions (python -m tools.index)")
    if says.startswith("READONLY"):
        return Failure(says, mend=f"write the address of the primary into {VARIABLE}")
    away = isinstance(error, NotConnected | NoAnswer | BusyLoadingError | Unready)
    return Failure("no answer in time" if isinstance(error, NoAnswer) else says, transient=away)
