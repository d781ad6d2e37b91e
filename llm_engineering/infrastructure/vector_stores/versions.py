"""What every store says about versions, in the same words."""

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.indexes import IndexManifest

READ_ONLY = "this index was opened for reading; use VectorStore.write to change it"


class Overtaken(BackendError):  # noqa: N818 - a state of the run
    """A run may not write to a collection any more, because `last`, a later one, did."""

    def __init__(self, run: int, last: int, collection: str) -> None:
        super().__init__(
            f"run {run} may not write to collection {collection!r} any more: run {last} took it over while this "
            "process stood still. Start a new run: it goes on where this one was"
        )
        self.last = last


def check_same_index(stored: IndexManifest, wanted: IndexManifest, collection: str) -> None:
    """Refuse to mix features of two makes in one version.

    Raises:
        UsageError: the version exists with another fingerprint or model.
    """
    if (stored.fingerprint, stored.model) == (wanted.fingerprint, wanted.model):
        return
    raise UsageError(
        f"version {wanted.version!r} of collection {collection!r} was built with model {stored.model.name!r} and "
        f"fingerprint {stored.fingerprint[:12]!r}, not with {wanted.model.name!r} and {wanted.fingerprint[:12]!r}; "
        "build the new one under a new version"
    )


def no_such_version(version: str, collection: str, versions: list[str]) -> str:
    """Say which versions there are."""
    there = ", ".join(sorted(versions)) or "none yet"
    return f"collection {collection!r} has no version {version!r}; there are: {there}"


def nothing_active(collection: str) -> str:
    """Say how to get an active version."""
    return f"collection {collection!r} has no active version yet; run the feature pipeline first"


def unflushed(version: str, collection: str) -> str:
    """Say what is missing before a publication."""
    return f"version {version!r} of collection {collection!r} has writes that were not flushed; call flush() first"


def never_published(version: str, collection: str, versions: list[str]) -> str:
    """Say why a version cannot be activated."""
    if version not in versions:
        return no_such_version(version, collection, versions)
    return f"version {version!r} of collection {collection!r} was never published; run the feature pipeline first"


def still_active(version: str, collection: str) -> str:
    """Say why a version cannot be dropped."""
    return f"version {version!r} of collection {collection!r} is the active one; activate another one first"


def busy(collection: str, holder: str) -> str:
    """Say who writes."""
    return (
        f"collection {collection!r} is being written to by {holder}; wait until it is done or end it (its lock goes "
        "with it). Searching is possible meanwhile"
    )
