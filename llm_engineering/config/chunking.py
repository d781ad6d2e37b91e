"""What a configuration may say of chunkers beyond their own settings: which embedder they compare texts with."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from llm_engineering.application.chunking import Chunker
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.ports import PassageVectors
from llm_engineering.infrastructure.embedders import EmbedderSpec


def embedder_named(settings: Mapping[str, Any]) -> EmbedderSpec:
    """Return the embedder that a chunker names, written like section `embedding`.

    Raises:
        ValidationError: a setting is wrong.
    """
    spec: EmbedderSpec = TypeAdapter(EmbedderSpec).validate_python({"kind": "sentence_transformers", **settings})
    return spec


def named_embedders(chunker: Chunker) -> list[EmbedderSpec]:
    """Return the embedders that a chunker names, in the order in which it asks for them.

    Raises:
        ValueError: one is none; says which setting is wrong.
    """
    found: list[EmbedderSpec] = []

    def provide(named: Mapping[str, Any] | None) -> PassageVectors:
        try:
            found.extend([] if named is None else [embedder_named(named)])
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise ValueError(f"the embedder of the chunker `semantic`: {'; '.join(wrong)}") from None
        return _Silent()

    chunker.bound(provide)
    return found


class _Silent:
    def of(self, texts: Sequence[str]) -> Sequence[Vector]:
        raise AssertionError(f"{len(texts)} texts were to be compared where only settings are read")
