"""A Pinecone index behind its official client: requests, their errors, and waiting until it has seen a write."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from pinecone.errors.exceptions import (
    ApiError,
    ForbiddenError,
    NotFoundError,
    PineconeConnectionError,
    PineconeError,
    PineconeTimeoutError,
    RateLimitError,
    ServiceError,
    UnauthorizedError,
)
from pinecone.index import Index

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.secrets import remember
from llm_engineering.infrastructure.vector_stores.pinecone.spec import KEY
from llm_engineering.infrastructure.vector_stores.versioned.calls import Calls, Failure

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.pinecone.spec import Pinecone

T = TypeVar("T")

# An index that was never reached is not waited for any longer; the client itself would ask four times.
FIRST_SECONDS = 3.0
PAUSE, LONGEST_PAUSE = 0.1, 2.0


class PineconeServer:
    """The requests of one engine."""

    def __init__(self, spec: "Pinecone") -> None:
        self.spec = spec
        self._url = spec.address()
        self._key = spec.key()
        remember(self._key)
        self._place = spec.place_of(self._url)
        self._call = Calls(self._place, spec.patience_seconds, (PineconeError, httpx.TransportError), failure_of)
        self._index: Index | None = None
        self._dimension = 0
        # By namespace: the place in the log that our last write has.
        self._written: dict[str, int | None] = {}

    @property
    def dimension(self) -> int:
        """The dimension of the index.

        Raises:
            UsageError: it keeps other vectors than dense ones, or compares them otherwise.
        """
        if not self._dimension:
            stats = self.ask(Index.describe_index_stats)
            if not stats.dimension or stats.metric not in (None, "cosine"):
                raise UsageError(
                    f"{self._place} is an index of metric {stats.metric} and dimension {stats.dimension}; create one "
                    "for dense vectors with the metric cosine and the dimension of the model"
                )
            self._dimension = stats.dimension
        return self._dimension

    def ask(self, request: Callable[[Index], T]) -> T:
        """Make a request with the client."""

        def attempt() -> T:
            if self._index is None:
                httpx.get(self._url, timeout=FIRST_SECONDS)
                self._index = Index(host=self._url, api_key=self._key, timeout=float(self.spec.timeout_seconds))
            return request(self._index)

        return self._call(attempt)

    def ask_there(self, request: Callable[[Index], T]) -> T | None:
        """Make a request; return None where the namespace is not there."""

        def attempt(index: Index) -> T | None:
            try:
                return request(index)
            except NotFoundError:
                return None

        return self.ask(attempt)

    def wrote(self, namespace: str, answer: Any) -> None:
        """Take note of a write, so that `settle` waits for it."""
        position = getattr(getattr(answer, "response_info", None), "lsn_committed", None)
        self._written[namespace] = position

    def settle(self, namespace: str) -> None:
        """Return only when requests see what we wrote: this store shows a write some seconds later.

        Raises:
            BackendError: it did not in the time of `patience_seconds`.
        """
        if namespace not in self._written:
            return
        wanted, started, pause = self._written[namespace], time.monotonic(), PAUSE
        probe = [1.0, *[0.0] * (self.dimension - 1)]
        while True:
            answer = self.ask(lambda index: index.query(top_k=1, vector=probe, namespace=namespace))
            seen = getattr(answer.response_info, "lsn_reconciled", None)
            if wanted is None or seen is None:
                time.sleep(self.spec.settle_seconds)
                break
            if seen >= wanted:
                break
            if time.monotonic() - started > self.spec.patience_seconds:
                raise BackendError(
                    f"{self._place} does not show what was written {time.monotonic() - started:.0f} s ago; run again: "
                    "what was written is kept (load: store: patience_seconds)",
                    transient=True,
                )
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        self._written.pop(namespace, None)

    def close(self) -> None:
        """Close the connections."""
        if self._index is not None:
            self._index.close()
            self._index = None


def failure_of(error: Exception) -> Failure:
    """Say what an error of Pinecone or of its client means."""
    says = str(error) or type(error).__name__
    if isinstance(error, UnauthorizedError | ForbiddenError):
        return Failure(says, mend=f"mend the key in {KEY}")
    if isinstance(error, NotFoundError):
        return Failure(f"{says}; somebody removed it. Run the feature pipeline to build the index again")
    if isinstance(error, PineconeTimeoutError | httpx.TimeoutException):
        return Failure("no answer in time", transient=True)
    away = isinstance(error, PineconeConnectionError | RateLimitError | ServiceError | httpx.TransportError)
    if isinstance(error, ApiError) and "metadata size" in says.lower():
        return Failure(f"{says}; cut smaller chunks (chunking), or keep less metadata")
    return Failure(says, transient=away)
