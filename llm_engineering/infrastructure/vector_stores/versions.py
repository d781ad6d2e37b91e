"""What every store says about versions, in the same words."""

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import IndexManifest


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
