"""Completions recorded once and replayed: tests and demonstrations of a paid model without paying again."""

import json
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.llms import Completion, Delta, LlmCard, LlmRequest
from llm_engineering.domain.ports import Llm
from llm_engineering.domain.secrets import redacted
from llm_engineering.infrastructure.llms.caching import words
from llm_engineering.infrastructure.llms.counting import request_digest
from llm_engineering.infrastructure.llms.layer import streaming
from llm_engineering.infrastructure.llms.settings import LlmSettings


class Replay(LlmSettings):
    """Kind `replay`: what another model of the list said to the same request, from a file."""

    kind: Literal["replay"] = "replay"
    file: Path = Field(description="JSONL, a request and its completion in each line; without secrets")
    mode: Literal["replay", "record", "auto"] = Field(
        "replay", description="replay: never ask; record: always ask; auto: ask what is not recorded"
    )
    of: str = Field("", description="name of the model that is recorded; not opened in mode replay")

    @model_validator(mode="after")
    def _records_something(self) -> Self:
        if self.mode != "replay" and not self.of:
            raise ValueError(f"mode {self.mode!r} needs `of`, the name of the model to record")
        return self

    @classmethod
    def default_name(cls, section: dict[str, Any]) -> str:
        """Return the recorded model's name, marked."""
        return f"replay-{section['of']}" if section.get("of") else "replay"

    def open(self, home: Path | None = None, inner: Llm | None = None) -> "ReplayLlm":  # noqa: ARG002 - see the others
        """Open the recording; `inner` is the model to record."""
        return ReplayLlm(self, inner)


class ReplayLlm:
    """Says what the file says, and asks the model inside for the rest if it may."""

    def __init__(self, spec: Replay, inner: Llm | None) -> None:
        self.card = LlmCard(name=spec.name, provider="replay", input_price=0.0, output_price=0.0)
        if inner is not None:
            self.card = inner.card.model_copy(update={"name": spec.name})
        self._spec = spec
        self._inner = inner if spec.mode != "replay" else None
        self._lock = threading.Lock()
        self._known = _read(spec.file)

    async def complete(self, request: LlmRequest) -> Completion:
        if (known := self._recorded(request)) is not None:
            return known
        completion = await self._asked(request).complete(request)
        self._record(request, completion)
        return completion

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        if (known := self._recorded(request)) is not None:
            for piece in words(known.text):
                yield Delta(piece)
            yield known
            return
        async with streaming(self._asked(request), request) as events:
            async for event in events:
                if isinstance(event, Completion):
                    self._record(request, event)
                yield event

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()

    def _recorded(self, request: LlmRequest) -> Completion | None:
        return None if self._spec.mode == "record" else self._known.get(self._key(request))

    def _asked(self, request: LlmRequest) -> Llm:
        if self._inner is None:
            size = sum(len(message.content) for message in request.messages)
            raise UsageError(
                f"request {self._key(request)[:16]} ({len(request.messages)} messages, {size:,} characters) to model "
                f"{self._spec.of or self.card.name!r} is not recorded in {self._spec.file}, which holds "
                f"{len(self._known):,}; record it with `mode: auto`"
            )
        return self._inner

    def _record(self, request: LlmRequest, completion: Completion) -> None:
        key = self._key(request)
        record = {
            "key": key,
            "request": redacted(request.model_dump(mode="json")),
            "completion": redacted(completion.model_dump(mode="json")),
        }
        line = (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        with self._lock:
            self._known[key] = completion
            self._spec.file.parent.mkdir(parents=True, exist_ok=True)
            # One write at the end of the file: lines of several processes do not mix.
            handle = os.open(self._spec.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)

    def _key(self, request: LlmRequest) -> str:
        return request_digest(request, self._spec.of)


def _read(file: Path) -> dict[str, Completion]:
    """Return the recorded completions; the last one of a request counts."""
    known: dict[str, Completion] = {}
    if not file.exists():
        return known
    number = 0
    try:
        for line in file.read_text(encoding="utf-8").split("\n"):
            number += 1
            if line.strip():
                record = json.loads(line)
                known[record["key"]] = Completion.model_validate(record["completion"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise UsageError(
            f"{file}, line {number}, is no recording of a model ({type(error).__name__}); remove it, or record anew"
        ) from None
    return known
