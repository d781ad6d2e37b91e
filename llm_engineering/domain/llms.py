"""What is said to a language model and what comes back."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from llm_engineering.domain.value import Value

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "filtered", "other"]


class Message(Value):
    """One message of a conversation."""

    role: Role
    content: str


class LlmCard(Value):
    """What is known of a model: who runs it, how much it reads at once (tokens), its price in US dollars per million
    tokens where it has one."""

    name: str
    provider: str
    context_window: int | None = Field(None, gt=0)
    input_price: float | None = Field(None, ge=0)
    output_price: float | None = Field(None, ge=0)

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """Return what so many tokens cost in US dollars, or None where the price is not known."""
        if self.input_price is None or self.output_price is None:
            return None
        return (input_tokens * self.input_price + output_tokens * self.output_price) / 1_000_000


class Usage(Value):
    """Tokens and money (US dollars; None: unknown) that paid calls of a model took."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None

    def __add__(self, other: "Usage") -> "Usage":
        costs = [usage.cost for usage in (self, other) if usage.calls]
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost=None if not costs or None in costs else sum(cost for cost in costs if cost is not None),
        )


class LlmRequest(Value):
    """A conversation to be continued. With a `schema` (JSON Schema of an object), the text that comes back is JSON that
    is valid for it.

    `documents` are those that its messages quote: what is kept of a reply is forgotten with them. None: nobody knows
    which, so no reply is kept. They are not sent, and do not make it another request; nor does `whole`: nobody reads a
    stream before its end, so one that breaks may be begun anew, by another model too.
    """

    messages: tuple[Message, ...] = Field(min_length=1)
    max_tokens: int = Field(1_024, gt=0)
    temperature: float = Field(0.0, ge=0, le=2)
    json_schema: dict[str, Any] | None = None
    documents: tuple[str, ...] | None = ()
    whole: bool = False


class Completion(Value):
    """What a model said, all of it. `cached` says that it was not asked anew."""

    text: str
    model: str
    usage: Usage = Usage()
    finish: Finish = "stop"
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of a text that is being written."""

    text: str
