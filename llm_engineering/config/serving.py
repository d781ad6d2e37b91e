"""Section `serving`: where the service listens, who may use it, and how much it takes on at once."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from llm_engineering.domain.access import Access
from llm_engineering.domain.secrets import REFERENCE
from llm_engineering.domain.value import Value

Scope = Literal["ask", "search", "read", "feedback", "metrics"]
SCOPES: tuple[Scope, ...] = ("ask", "search", "read", "feedback", "metrics")
# What those who give no scopes get: metrics tell of all callers, so they are asked for by name.
USUAL_SCOPES: tuple[Scope, ...] = ("ask", "search", "read", "feedback")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Rate(Value):
    """How many requests a key may make: `burst` at once, and then `per_second`."""

    per_second: float = Field(10.0, gt=0, allow_inf_nan=False)
    burst: int = Field(60, ge=1)


class Key(Value):
    """A key that callers show as `Authorization: Bearer KEY`, and what it opens."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="whose key it is; logs and metrics show it"
    )
    key: str = Field("", description="a reference to the key, for example ${env:ALICE_KEY}")
    sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$", description="instead: the SHA-256 of the key, in hex digits")
    scopes: tuple[Scope, ...] = Field(USUAL_SCOPES, description="ask, search, read, feedback, metrics")
    tenants: tuple[str, ...] | None = Field(None, description="tenants whose documents it sees; null: of all")
    sources: tuple[str, ...] | None = Field(None, description="sources whose documents it sees; null: all")
    rate: Rate | None = Field(None, description="instead of serving.rate")

    @field_validator("key")
    @classmethod
    def _is_a_reference(cls, key: str) -> str:
        if key and not REFERENCE.fullmatch(key):
            raise ValueError("write a reference such as ${env:ALICE_KEY}, never the key itself; or give its sha256")
        return key

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if bool(self.key) == bool(self.sha256):
            raise ValueError("give either `key: ${env:NAME}` or `sha256`")
        return self

    @property
    def access(self) -> Access:
        """What the holder of this key may see."""
        return Access(tenants=self.tenants, sources=self.sources)


class Serving(Value):
    """Where the service listens, who may use it, and how much it takes on at once."""

    host: str = Field("127.0.0.1", min_length=1, description="another address than loopback needs keys")
    port: int = Field(8600, ge=0, le=65_535, description="0: any free one")
    hosts: tuple[str, ...] = Field((), description="names that the service is reached by, beside loopback's and `host`")
    keys: tuple[Key, ...] = Field((), description="without any, everybody on this machine may do everything")
    rate: Rate = Field(default_factory=Rate, description="requests of one key")
    body_limit: int = Field(262_144, ge=1_024, description="bytes of a request's body")
    body_seconds: float = Field(10.0, gt=0, description="seconds in which a body must have arrived")
    processes: int | None = Field(
        None,
        ge=0,
        le=64,
        description="processes that search, each with index and model for itself; 0: threads of the service do; null: "
        "one for each core, four at most",
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="extractive answers at the same time, and searches where no processes make them; null: two for "
        "each process, without processes one for each core",
    )
    waiting: int | None = Field(
        None, ge=0, le=10_000, description="searches that wait for a thread; null: five for each thread"
    )
    generations: int = Field(32, ge=1, le=10_000, description="answers that language models write at the same time")
    request_seconds: float = Field(120.0, gt=0, description="seconds for a whole request")
    stall_seconds: float = Field(20.0, gt=0, description="seconds after which a reader that takes nothing is cut")
    grace_seconds: float = Field(20.0, ge=0, description="seconds that running answers have when the service ends")
    history_turns: int = Field(6, ge=0, le=100, description="turns of a conversation that go with a question")
    history_characters: int = Field(12_000, ge=0, description="and at most so many characters of them")
    idempotency_seconds: float = Field(86_400.0, gt=0, description="how long an Idempotency-Key is remembered")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [key.name for key in self.keys]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two keys have the name {min(twice)!r}; give each key a `name` of its own")
        return self

    @model_validator(mode="after")
    def _is_open_to_none_but_this_machine(self) -> Self:
        if not self.keys and not self.is_loopback:
            raise ValueError(
                f"host {self.host!r} can be reached from other machines, and there are no keys; add `serving: keys:`, "
                "or use 127.0.0.1"
            )
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the service."""
        return self.host in LOOPBACK or re.fullmatch(r"127\.\d{1,3}\.\d{1,3}\.\d{1,3}", self.host) is not None
