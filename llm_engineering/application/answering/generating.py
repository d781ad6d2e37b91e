"""A model's reply while it is written: what may be shown of it, and all of it at the end."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from llm_engineering.application.answering.exits import Outlet
from llm_engineering.application.answering.leaks import Redactor
from llm_engineering.application.answering.reply import AnswerPart, Reply, parse_reply
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.llms import Completion, Delta, LlmRequest, Message
from llm_engineering.domain.ports import Llm

_LONGEST_REPLY = 100_000


@dataclass
class Generation:
    """Asks a model and lets out what is fit to be seen. `completion` is there when the stream has ended."""

    llm: Llm
    request: LlmRequest
    part: AnswerPart
    redactor: Redactor
    outlet: Outlet
    shown: bool = field(default=False, init=False)
    completion: Completion | None = field(default=None, init=False)

    async def pieces(self) -> AsyncGenerator[str, None]:
        """Yield the text piece by piece.

        Raises:
            BackendError: the model failed, or its stream ended without a completion, or does not end.
        """
        written = 0
        async with aclosing(_as_generator(self.llm.stream(self.request))) as stream:
            async for event in stream:
                if isinstance(event, Completion):
                    self.completion = event
                    break
                written += len(event.text)
                if written > _LONGEST_REPLY:
                    raise BackendError(f"the model {self.llm.card.name} wrote over {_LONGEST_REPLY} characters")
                if piece := self.outlet.feed(self.redactor.feed(self.part.feed(event.text))):
                    self.shown = True
                    yield piece
        if self.completion is None:
            raise BackendError(
                f"the stream of the model {self.llm.card.name} ended without a completion", transient=True
            )
        last = self.outlet.feed(self.redactor.feed(self.part.finish()) + self.redactor.finish()) + self.outlet.finish()
        if last:
            self.shown = True
            yield last

    @property
    def reply(self) -> Reply:
        """The reply, taken apart, without what is not meant to be seen."""
        reply = parse_reply(self.completion.text if self.completion else "")
        return Reply(self.redactor.redacted(reply.text), reply.quotes, reply.refused)


async def _as_generator(stream: AsyncIterator[Delta | Completion]) -> AsyncGenerator[Delta | Completion, None]:
    """Yield the events of a stream, and close it in the end if it can be closed."""
    try:
        async for event in stream:
            yield event
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


def secret_of(messages: Sequence[Message]) -> str:
    """Return what of a prompt is nobody else's business: the system's part."""
    return "\n".join(message.content for message in messages if message.role == "system")
