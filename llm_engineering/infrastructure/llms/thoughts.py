"""What a model thinks aloud before it speaks is no part of what it says."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from llm_engineering.domain.llms import Completion, Delta, LlmRequest
from llm_engineering.infrastructure.llms.layer import Layer, streaming

_BEGIN = re.compile(r"\s*<think(?:ing)?>", re.IGNORECASE)
_END = re.compile(r"</think(?:ing)?>\s*", re.IGNORECASE)
# Some templates open the thoughts in the prompt. Then only their end is written, at the end of a line.
_UNOPENED = re.compile(r"\A(?:(?!<think).)*?</think(?:ing)?>[ \t]*(?:\n\s*|\Z)", re.IGNORECASE | re.DOTALL)
_LONGEST_BEGIN = "<thinking>"


def spoken(text: str) -> str:
    """Return a whole text without the thoughts at its beginning; nothing, if it never came to their end.

    >>> spoken("<think>Hm.</think>\\n\\nYes."), spoken("Hm.\\n</think>\\nYes."), spoken("<think>Hm.")
    ('Yes.', 'Yes.', '')
    """
    if begin := _BEGIN.match(text):
        end = _END.search(text, begin.end())
        return text[end.end() :] if end else ""
    return _UNOPENED.sub("", text, count=1)


class Spoken(Layer):
    """Leaves out the thoughts that a server does not tell apart from the answer.

    Of a stream, thoughts that were opened in the prompt are known as such only at their end: its pieces hold them, its
    completion does not.
    """

    async def complete(self, request: LlmRequest) -> Completion:
        completion = await self.inner.complete(request)
        return completion.model_copy(update={"text": spoken(completion.text)})

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        speech = Speech()
        async with streaming(self.inner, request) as events:
            async for event in events:
                if isinstance(event, Completion):
                    if rest := speech.finish():
                        yield Delta(rest)
                    yield event.model_copy(update={"text": spoken(event.text)})
                elif said := speech.feed(event.text):
                    yield Delta(said)


@dataclass
class Speech:
    """Lets through what is no thought, piece by piece."""

    _held: str = ""
    _speaks: bool = field(default=False, init=False)

    def feed(self, piece: str) -> str:
        """Take the next piece and return what is certain to be said."""
        if self._speaks:
            return piece
        self._held += piece
        if begin := _BEGIN.match(self._held):
            end = _END.search(self._held, begin.end())
            # White space may follow the end: the answer begins behind it.
            if end is None or end.end() == len(self._held):
                return ""
            self._held = self._held[end.end() :]
        elif _LONGEST_BEGIN.startswith(self._held.lstrip().lower()):
            return ""
        return self.finish()

    def finish(self) -> str:
        """Return what was held back, unless it is thought."""
        said, self._held, self._speaks = spoken(self._held), "", True
        return said
