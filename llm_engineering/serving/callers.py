"""Who calls: a key is looked up, and says what its holder may do and see."""

import hashlib
import hmac
from dataclasses import dataclass

from llm_engineering.config.serving import SCOPES, Key, Rate, Scope, Serving
from llm_engineering.domain.access import ALL, Access
from llm_engineering.domain.errors import UsageError
from llm_engineering.serving.problems import Problem

SHORTEST_KEY = 16
# Longer ones are no keys: nothing is gained from hashing them.
LONGEST_KEY = 512


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may do some things and see some documents. What is kept for them is kept under `owner`."""

    name: str
    owner: str
    scopes: frozenset[Scope]
    access: Access
    rate: Rate | None = None

    def must_have(self, scope: Scope) -> None:
        """Refuse callers without a scope.

        Raises:
            Problem: 403.
        """
        if scope not in self.scopes:
            raise Problem(403, "forbidden", f"this key has no scope {scope!r}")


# The one caller of a service without keys: whoever sits at this machine.
LOCAL = Caller("local", "local", frozenset(SCOPES), ALL)


class Callers:
    """All callers of a service, by their keys. Only digests of the keys are held."""

    def __init__(self, settings: Serving) -> None:
        self._known = [(_digest_of(key), _caller(key, settings.rate)) for key in settings.keys]
        digests = [digest for digest, _ in self._known]
        if len(set(digests)) < len(digests):
            raise UsageError("serving.keys: two names have the same key; give each its own")

    def caller(self, authorization: str) -> Caller:
        """Return who shows this `Authorization` header. Every key is compared, each in constant time.

        Raises:
            Problem: 401, there is no key or an unknown one.
        """
        if not self._known:
            return LOCAL
        scheme, _, shown = authorization.partition(" ")
        shown = shown.strip()
        if scheme.lower() != "bearer" or not shown or len(shown) > LONGEST_KEY:
            raise Problem(401, "no_key", "show a key as `Authorization: Bearer KEY`")
        digest = hashlib.sha256(shown.encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, caller in self._known:
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise Problem(401, "unknown_key", "this key is not known here")
        return found


def _caller(key: Key, rate: Rate) -> Caller:
    owner = key.name if key.tenants is None else f"{key.name}@{','.join(sorted(key.tenants))}"
    return Caller(key.name, owner, frozenset(key.scopes), key.access, key.rate or rate)


def _digest_of(key: Key) -> bytes:
    """Return the SHA-256 of a key.

    Raises:
        UsageError: its variable is not set, or the key can be guessed.
    """
    from llm_engineering.infrastructure.environment import with_secrets

    if key.sha256:
        return bytes.fromhex(key.sha256)
    secret = with_secrets(key.key).strip()
    if not SHORTEST_KEY <= len(secret) <= LONGEST_KEY:
        raise UsageError(
            f"serving.keys: the key of {key.name!r} has {len(secret)} characters; use {SHORTEST_KEY} to {LONGEST_KEY}, "
            "for example what `openssl rand -hex 32` prints"
        )
    return hashlib.sha256(secret.encode()).digest()
