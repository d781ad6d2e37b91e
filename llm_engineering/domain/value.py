"""The two building blocks of the domain: frozen configuration values and content-addressed identities."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import islice
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

# Every id of this project is a uuid5 in this name space: the same content and place give the same id on every machine.
NAMESPACE = UUID("8f7a1c2e-5b0d-5c3e-9a41-6d2f4e0b7c19")

Scalar = str | int | float | bool


class Value(BaseModel):
    """A frozen value that refuses unknown fields, so that a typing error in a configuration never passes in silence."""

    # What was given is left out of pydantic's own messages: it may hold a secret.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def identity(*parts: str) -> str:
    """Return the uuid5 of the parts, as text. Parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ."""
    return str(uuid5(NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts)))


def digest(content: object) -> str:
    """Return the SHA-256 of a JSON-serialisable value in canonical form (sorted keys, no spaces), as 64 hex digits."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def digest_of_rows(rows: Iterable[object]) -> str:
    """Return what `digest` returns for the list of these rows, with the text of a thousand at a time in memory."""
    made, rest, before = hashlib.sha256(b"["), iter(rows), ""
    while some := list(islice(rest, 1_000)):
        made.update(f"{before}{_canonical(some)[1:-1]}".encode())
        before = ","
    made.update(b"]")
    return made.hexdigest()


def _canonical(content: object) -> str:
    return json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def flattened(values: Mapping[str, object], prefix: str = "") -> dict[str, Scalar]:
    """Return nested values under dotted names; what is None is left out, other values than scalars become text.

    >>> flattened({"trainer": {"kind": "embedder", "dims": [128, 384]}, "seed": 0})
    {'trainer.kind': 'embedder', 'trainer.dims': '[128, 384]', 'seed': 0}
    """
    result: dict[str, Scalar] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            result |= flattened(value, f"{prefix}{key}.")
        elif isinstance(value, str | int | float | bool):
            result[f"{prefix}{key}"] = value
        elif value is not None:
            result[f"{prefix}{key}"] = str(value)
    return result
