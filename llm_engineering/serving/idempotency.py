"""The same request twice is one answer: an `Idempotency-Key` names it."""

import json
from collections.abc import Collection
from typing import Any

from loguru import logger

from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.domain.value import digest
from llm_engineering.serving.callers import Caller
from llm_engineering.serving.problems import Problem
from llm_engineering.serving.service import Service
from llm_engineering.serving.shapes import Ask

LONGEST_NAME = 255


class Once:
    """One request of one caller that may come several times. Others neither see it nor get in its way.

    A name is claimed while the answer is made, by one process of all that share the state; what is kept afterwards is
    the reply and a digest of the body that it belongs to.
    """

    def __init__(self, service: Service, caller: Caller, name: str, body: Ask) -> None:
        if not 1 <= len(name) <= LONGEST_NAME:
            raise Problem(422, "invalid", f"an Idempotency-Key has 1 to {LONGEST_NAME} characters")
        # Whoever may see other documents today than yesterday gets a new answer.
        identity = digest([caller.owner, caller.access.model_dump(mode="json"), name])
        self._service = service
        self._body = digest(body.model_dump(mode="json", exclude={"stream"}))
        self._kept = f"idempotency:reply:{identity}"
        self._claimed = f"idempotency:claim:{identity}"

    async def begin(self) -> dict[str, Any] | None:
        """Return the reply that was given before, or None and claim the name.

        Raises:
            Problem: 409, the answer is in the making; 422, the name was used for another body.
        """
        if (reply := await self._reply()) is not None:
            return reply
        settings, state = self._service.settings, self._service.state
        seconds = settings.request_seconds + settings.grace_seconds
        if not await self._service.kept(state.claim, self._claimed, seconds):
            raise Problem(409, "in_the_making", "this request is being answered; ask again in a moment", 1.0)
        # It may have been finished between the two questions.
        if (reply := await self._reply()) is not None:
            await self.release()
            return reply
        return None

    async def _reply(self) -> dict[str, Any] | None:
        text = await self._service.kept(self._service.state.cached, self._kept)
        if text is None:
            return None
        stored: dict[str, Any] = json.loads(text)
        if stored["body"] != self._body:
            raise Problem(422, "idempotency_mismatch", "this Idempotency-Key was used with another body")
        reply: dict[str, Any] = stored["reply"]
        return reply

    async def keep(self, reply: dict[str, Any], documents: Collection[str]) -> None:
        """Keep the reply of the answer for those who ask again; one that cannot be kept is given all the same."""
        text = json.dumps({"body": self._body, "reply": reply})
        service = self._service
        try:
            await service.kept(service.state.cache, self._kept, text, service.settings.idempotency_seconds, documents)
        except LLMEngineeringError as error:
            logger.warning("a reply could not be kept for its Idempotency-Key: {}", error)

    async def release(self) -> None:
        """Give the name back; if that fails, it becomes free by itself."""
        try:
            await self._service.kept(self._service.state.release, self._claimed)
        except LLMEngineeringError as error:
            logger.warning("an Idempotency-Key could not be given back: {}", error)
