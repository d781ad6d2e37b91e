"""A Redis server: the names of the keys, the scripts, and what its errors mean."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from loguru import logger
from redis import Redis, exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.secrets import redact

_TRANSIENT = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.TryAgainError)
_REFUSED = (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError)
_PERSISTENCE_SECONDS = 120.0


class Server:
    """A connection pool to one server, and one prefix. Its errors are ours, never the client's."""

    def __init__(self, address: str, prefix: str, timeout_seconds: float) -> None:
        self._shown = redact(address)
        self._prefix = prefix.encode("utf-8", "surrogatepass")
        self._scripts: dict[str, Any] = {}
        try:
            # Nothing is repeated: a turn must not stand there twice because its confirmation was lost.
            self.client: Any = Redis.from_url(
                address,
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
                retry=Retry(NoBackoff(), 0),
                decode_responses=False,
            )
        except (ValueError, TypeError) as error:
            raise UsageError(f"state.url ({self._shown}) cannot be read: {error}") from error

    def key(self, kind: str, *names: str) -> bytes:
        """Return the name of a key: the prefix, what it is, and whose."""
        return self._prefix + ":".join((kind, *names)).encode()

    def keys(self, kind: str) -> Iterator[bytes]:
        """Yield the names of all keys of a kind. Those that are there all the time are all among them."""
        pattern = b"".join(b"\\" + bytes([byte]) if byte in b"*?[]^\\" else bytes([byte]) for byte in self._prefix)
        with self.errors():
            yield from self.client.scan_iter(match=pattern + kind.encode() + b":*", count=1_000)

    def call(self, script: str, keys: Iterable[bytes], *arguments: bytes | str | int) -> Any:
        """Run a script in one step."""
        with self.errors():
            if script not in self._scripts:
                self._scripts[script] = self.client.register_script(script)
            return self._scripts[script](keys=list(keys), args=arguments)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the client's exceptions inside the block into ours."""
        try:
            yield
        except _REFUSED as error:
            raise UsageError(
                f"the Redis server at {self._shown} refuses this user, password or command ({error}); check state.url "
                "and the rights of the user"
            ) from error
        except _TRANSIENT as error:
            raise BackendError(
                f"the Redis server at {self._shown} cannot be used ({error}); check that it runs and can be reached",
                transient=True,
            ) from error
        except exceptions.RedisError as error:
            raise BackendError(f"the Redis server at {self._shown} failed: {error}") from error

    def rewrite_files(self) -> None:
        """Let the server write its files anew, and wait for it; where it may not be asked to, say so."""
        try:
            with self.errors():
                appends = bool(self.client.info("persistence").get("aof_enabled"))
                if appends:
                    self.client.bgrewriteaof()
                if self.client.config_get("save").get(b"save") or self.client.config_get("save").get("save"):
                    self._wait()
                    self.client.bgsave()
            self._wait()
        except UsageError as error:
            logger.warning("{}: its files on disk hold what was removed until it writes them anew", error)

    def _wait(self) -> None:
        give_up = time.monotonic() + _PERSISTENCE_SECONDS
        while True:
            with self.errors():
                state = self.client.info("persistence")
            names = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
            if not any(state.get(name) for name in names):
                return
            if time.monotonic() > give_up:
                raise BackendError(
                    f"the Redis server at {self._shown} still writes its files; run this again later", transient=True
                )
            time.sleep(0.05)
