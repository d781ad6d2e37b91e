"""What the YAML says of an engine: the settings that all have, the door where a missing extra is refused."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.secrets import holds_secret, redact, remember
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.environment import with_secrets
from llm_engineering.infrastructure.settings import Settings
from llm_engineering.infrastructure.vector_stores.qdrant_edge.layout import checked_name
from llm_engineering.infrastructure.vector_stores.versioned.capabilities import Capabilities

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.versioned.engine import Engine
    from llm_engineering.infrastructure.vector_stores.versioned.store import VersionedStore

# Where engines without a server keep their files: `<home>/vector_stores/<kind>/<collection>`.
FOLDER = "vector_stores"


class EngineSpec(Value):
    """Settings of a store whose versions `VersionedStore` keeps. A kind adds `kind`, the class data and `engine`."""

    title: ClassVar[str]
    extra: ClassVar[str]
    package: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    batch: int = Field(256, ge=1, le=10_000, description="points in one write")
    reader_seconds: float = Field(
        300.0,
        ge=0,
        le=86_400,
        description="how long what a publication replaced stays for those who opened the index before it",
    )

    def engine(self, home: Path, collection: str) -> "Engine":
        """Return the engine; nothing is connected or created yet."""
        raise NotImplementedError

    def open(self, home: Path, collection: str, run: int = 0) -> "VersionedStore":
        """Return the store of a collection; the engine is first asked when something is read or written.

        Raises:
            UsageError: the extra is not installed, or no address is named.
        """
        from llm_engineering.infrastructure.vector_stores.versioned.catalog import Catalog
        from llm_engineering.infrastructure.vector_stores.versioned.index import VersionedIndex
        from llm_engineering.infrastructure.vector_stores.versioned.store import VersionedStore

        checked_name(collection, "collection")
        self.check_installed()
        engine = self.engine(home, collection)
        books = Catalog(engine, collection, self.reader_seconds, self.place(home))
        return VersionedStore(books, partial(VersionedIndex, engine, self.batch), run)

    def check(self) -> None:
        """Refuse what would fail when the store is opened, before any work starts; nothing is connected.

        Raises:
            UsageError: the extra is not installed, or a server's address is not named.
        """
        self.check_installed()

    @classmethod
    def check_installed(cls) -> None:
        """Refuse to go on without the extra, before any work starts.

        Raises:
            UsageError: it is not installed; the message says what to type.
        """
        if not cls.is_installed():
            raise UsageError(
                f"the vector store {cls.name()!r} needs the extra {cls.extra!r} ({cls.package} is missing); type: "
                f"poetry install --extras {cls.extra}"
            )

    @property
    def has_sparse(self) -> bool:
        """Whether modes `sparse` and `hybrid` can be used with these settings."""
        return self.capabilities.has_sparse

    @classmethod
    def name(cls) -> str:
        """Return the `kind` that the YAML says."""
        return str(cls.model_fields["kind"].default)

    @classmethod
    def is_installed(cls) -> bool:
        """Return whether the client's package is there."""
        return find_spec(cls.package) is not None

    def place(self, home: Path) -> str:
        """Return where the index is, for people; without secrets."""
        return f"{self.title} in {home / FOLDER / type(self).name()}"

    def advice(self) -> str:
        """Return what to type when the store cannot be used."""
        return f"poetry install --extras {self.extra}"

    def hurried(self) -> Self:
        """Return a copy that does not wait for a server that is away: for a look at what is there."""
        return self

    @classmethod
    def of_home(cls, home: Path, collection: str) -> Self | None:
        """Return the store that holds a collection as far as the home and the environment tell, or None."""
        return cls() if (home / FOLDER / cls.name() / collection).is_dir() else None


class ServerSpec(EngineSpec):
    """Settings of a vector store behind an address, which the YAML or `LLM_ENGINEERING_<KIND>_URL` names."""

    example: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]

    url: str = Field("", description="its address; empty: LLM_ENGINEERING_<KIND>_URL says it")
    timeout_seconds: int = Field(30, ge=1, le=3600, description="for one request")
    patience_seconds: float = Field(
        60.0,
        ge=0,
        le=86_400,
        description="how long a server that went away is asked again; one that never answered is given up at once",
    )

    @model_validator(mode="after")
    def _holds_no_secrets(self) -> Self:
        if holds_secret(self.url):
            raise ValueError(
                f"url holds a secret; set {self.variable()} instead, or put the secret into an environment variable "
                f"and write ${{env:NAME}} in its place: {self.example}"
            )
        return self

    def check(self) -> None:
        super().check()
        self.address()

    @classmethod
    def variable(cls) -> str:
        """Return the name of the environment variable that holds the address."""
        return f"LLM_ENGINEERING_{cls.name().upper()}_URL"

    def address(self) -> str:
        """Return the address with its secrets, each of which is remembered so that it is never shown.

        Raises:
            UsageError: there is none, or it is of another scheme.
        """
        from urllib.parse import unquote, urlsplit

        url = with_secrets(self.url or self.in_environment())
        if not url:
            raise UsageError(
                f"no {self.title} is named; set {self.variable()} (or load: store: url), for example {self.example}"
            )
        try:
            parts = urlsplit(url)
            host, _, secret = parts.hostname, parts.port, parts.password
        except ValueError as error:
            raise UsageError(
                f"the address of {self.title} is no URL ({redact(str(error))}); write it as {self.example}"
            ) from None
        if secret:
            remember(secret)
            remember(unquote(secret))
        if parts.scheme not in self.schemes or not (host or parts.path.strip("/")):
            raise UsageError(
                f"{redact(url)!r} is no address of {self.title}; use {' or '.join(f'{s}://' for s in self.schemes)}, "
                f"for example {self.example}"
            )
        return url

    @classmethod
    def in_environment(cls) -> str:
        """Return what the environment or `.env` says, or nothing."""
        value = getattr(Settings(), f"{cls.name()}_url", None)
        return value.get_secret_value() if value is not None else ""

    def place(self, home: Path) -> str:  # noqa: ARG002 - it is elsewhere
        return self.place_of(self.url or self.in_environment())

    def place_of(self, url: str) -> str:
        """Return the same for an address with its secrets filled in."""
        return f"{self.title} at {redact(url)}"

    def advice(self) -> str:
        return f"export {self.variable()}='{self.example}'" if self.is_installed() else super().advice()

    def hurried(self) -> Self:
        return self.model_copy(update={"timeout_seconds": 3, "patience_seconds": 0.0})

    @classmethod
    def of_home(cls, home: Path, collection: str) -> Self | None:  # noqa: ARG003 - it is elsewhere
        return cls() if cls.in_environment() else None
