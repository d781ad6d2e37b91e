"""A server that is built on Lucene, behind its official client: requests, and what its errors mean."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from llm_engineering.infrastructure.vector_stores.versioned.calls import Calls, Failure

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.lucene.spec import LuceneSpec

# A server that was never reached is not waited for any longer.
FIRST_SECONDS = 3.0
JSON, LINES = "application/json", "application/x-ndjson"
OVERLOADED = (429, 502, 503, 504)
# Somebody else changed a document while a request by query was at it.
ABSENT, CONFLICT, TOO_LARGE = 404, 409, 413


class Unfinished(Exception):  # noqa: N818 - an answer
    """A request was taken, and a part of it was not done; `transient` where it would be if asked again."""

    def __init__(self, says: str, *, transient: bool) -> None:
        super().__init__(says)
        self.transient = transient


class Server:
    """The requests of one engine. An adapter sets what differs, and sends with its client."""

    # The script that looks at every vector, and the errors of the client.
    cosine: str
    errors: tuple[type[Exception], ...]

    def __init__(self, spec: "LuceneSpec") -> None:
        self.spec = spec
        self.version: tuple[int, ...] = ()
        self.url = spec.address()
        errors = (*self.errors, Unfinished)
        self._call = Calls(spec.place_of(self.url), spec.patience_seconds, errors, self._meaning)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | str | None = None,
        *,
        absent: bool = False,
        **parameters: object,
    ) -> Mapping[str, Any]:
        """Send a request, with JSON or with the lines of a bulk request, and return the answer.

        `absent`: what is not there is no error, and its answer is empty.
        """
        if not self.version:
            self.version = self._call(self._met)
        said = {name: _said(value) for name, value in parameters.items()}
        timeout = float(self.spec.timeout_seconds)

        def attempt() -> Mapping[str, Any]:
            try:
                answer = self.send(method, path, body, said, timeout)
            except self.errors as error:
                if absent and self.status_of(error) == ABSENT:
                    return {}
                raise
            check_whole(answer)
            return answer

        return self._call(attempt)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | str | None,
        parameters: Mapping[str, str],
        timeout: float,
    ) -> Mapping[str, Any]:
        """Send one request with the client."""
        raise NotImplementedError

    def failure_of(self, error: Exception) -> Failure:
        """Say what an error of the client means."""
        raise NotImplementedError

    def status_of(self, error: Exception) -> int:
        """Return the HTTP status of an error of the client, or 0."""
        raise NotImplementedError

    def check_product(self, answer: Mapping[str, Any]) -> None:
        """Refuse a server of the other kind (UsageError)."""

    def settings(self) -> dict[str, Any]:
        """Return the settings of an index that this kind of server needs."""
        return {}

    def vectors(self, dimension: int) -> dict[str, Any]:
        """Return the mapping of the field of dense vectors."""
        raise NotImplementedError

    def dimension(self, field: Mapping[str, Any]) -> int | None:
        """Return the dimension that such a mapping says."""
        raise NotImplementedError

    def approximate(self, vector: Sequence[float], filter: Mapping[str, Any], limit: int) -> dict[str, Any]:
        """Return the query that uses HNSW; its score is half of 1 + cosine."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections."""

    def _met(self) -> tuple[int, ...]:
        answer = self.send("GET", "/", None, {}, min(FIRST_SECONDS, float(self.spec.timeout_seconds)))
        self.check_product(answer)
        number = str((answer.get("version") or {}).get("number", ""))
        return tuple(int(part) if part.isdigit() else 0 for part in number.split("-")[0].split(".")) or (0,)

    def _meaning(self, error: Exception) -> Failure:
        if isinstance(error, Unfinished):
            return Failure(str(error), transient=error.transient)
        return self.failure_of(error)


def failure_of_status(status: int, says: str, variable: str) -> Failure:
    """Say what an answer of this status means."""
    if status == 401:
        return Failure(says, mend=f"mend user and password in {variable}")
    if status == 403:
        mend = f"give the user of {variable} all rights on the indices <prefix>-* (load: store: prefix), and monitor"
        return Failure(says, mend=mend)
    if status == TOO_LARGE:
        return Failure(f"{says}; lower load: store: batch, or raise http.max_content_length on the server")
    if status == ABSENT:
        return Failure(f"{says}; somebody removed it. Run the feature pipeline to build the index again")
    return Failure(says, transient=status in (*OVERLOADED, CONFLICT))


def reason(body: object) -> str:
    """Return the first reason that the body of an error gives, with its type."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return str(error or body or "no reason given")
    causes = error.get("root_cause") or [error]
    cause = causes[0] if isinstance(causes[0], Mapping) else error
    inner = error.get("caused_by") or {}
    texts = [cause.get("type"), cause.get("reason"), inner.get("reason") if isinstance(inner, Mapping) else None]
    return ": ".join(dict.fromkeys(str(text) for text in texts if text))


def check_whole(answer: Mapping[str, Any]) -> None:
    """Look at each part of an answer: these servers say 200 where some documents or shards failed.

    Raises:
        Unfinished: a document was refused, a shard did not answer, or a request by query met another one.
    """
    results = [result for item in answer.get("items", ()) for result in item.values()] if answer.get("errors") else []
    if failed := [result for result in results if result.get("error")]:
        said = f"{len(failed)} of {len(results)} documents of a bulk request failed, the first one: {reason(failed[0])}"
        raise Unfinished(said, transient=all(result.get("status") in OVERLOADED for result in failed))
    if failures := answer.get("failures"):
        raise Unfinished(f"a request by query failed: {reason({'error': failures[0].get('cause')})}", transient=True)
    shards = answer.get("_shards") or {}
    if shards.get("failed") or answer.get("timed_out"):
        raise Unfinished(f"{shards.get('failed', 0)} of {shards.get('total')} shards did not answer", transient=True)


def without_user(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return an address without user and password, and these."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme == "https" else 9200)
    bare = urlunsplit((parts.scheme, f"{host}:{port}", parts.path.rstrip("/"), "", ""))
    user = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return bare, user


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
