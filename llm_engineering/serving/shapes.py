"""What callers send, as types: wrong ones are refused before anything is done, and described in openapi.json."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WrapValidator
from pydantic_core import PydanticCustomError

from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.value import Scalar

# The type of mistakes whose message goes on from "the FIELD".
UNREADABLE = "unreadable"
LONGEST_QUESTION = 20_000  # characters
# A condition of ten levels has two JSON levels for each of its own.
DEEPEST_FILTER = 24
LARGEST_FILTER = 2_000


def _readable(text: Any) -> Any:
    """Refuse what no store and no model takes as text, in words of our own."""
    if isinstance(text, str):
        if "\x00" in text:
            raise PydanticCustomError(UNREADABLE, "holds a NUL character; take it out, and send it again")
        try:
            text.encode()
        except UnicodeEncodeError:
            message = "holds half of a character (a lone surrogate); take it out, and send it again"
            raise PydanticCustomError(UNREADABLE, message) from None
    return text


def _form(filter: Any) -> str:
    return "condition" if not isinstance(filter, dict) or "op" in filter else "short"


def _bounded(filter: Any, validate: Any) -> Any:
    """Refuse a filter of absurd size or depth before anything walks through it."""
    parts, level = 0, [filter]
    for _ in range(DEEPEST_FILTER):
        below = [item for part in level for item in (part.values() if isinstance(part, dict) else part)]
        level = [item for item in below if isinstance(item, dict | list)]
        parts += len(below)
        if parts > LARGEST_FILTER:
            raise PydanticCustomError("filter_size", "the filter has more than {most} parts", {"most": LARGEST_FILTER})
        if not level:
            return validate(filter)
    raise PydanticCustomError("filter_depth", "the filter is deeper than {most} levels", {"most": DEEPEST_FILTER})


Text = Annotated[str, Field(min_length=1, max_length=LONGEST_QUESTION), BeforeValidator(_readable)]
Short = dict[Annotated[str, Field(min_length=1)], Scalar | list[Scalar]]
Filter = Annotated[
    Annotated[Condition, Tag("condition")] | Annotated[Short, Tag("short")],
    Discriminator(_form),
    WrapValidator(lambda value, validate: _bounded(value, validate) if isinstance(value, dict) else validate(value)),
]
Id = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(_readable)]


class Shape(BaseModel):
    """A body that refuses unknown fields, and whose mistakes are told without what was given."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Ask(Shape):
    """A question to the assistant."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"question": "Can I still join the course?", "filter": {"course": "ml"}}]}
    )

    question: Text
    filter: Filter | None = Field(None, description="a condition, or {field: value} and {field: [value, value]}")
    k: int | None = Field(None, ge=1, le=100, description="passages to find")
    llm: str | None = Field(None, max_length=200, description="one of /models")
    conversation_id: Id | None = Field(None, description="a streamed answer without one begins a conversation")
    stream: bool = Field(False, description="as server-sent events: sources, piece …, and finished or broken")


class Search(Shape):
    """A query to the index."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "homework deadline", "filter": {"source": ["faq"]}, "k": 5}]}
    )

    query: Text
    filter: Filter | None = None
    k: int | None = Field(None, ge=1, le=100)


class NewConversation(Shape):
    """A conversation to be begun."""

    title: Annotated[str, Field(max_length=200), BeforeValidator(_readable)] = ""


class Rating(Shape):
    """What somebody thinks of an answer."""

    answer_id: Id
    rating: Literal["up", "down"]
    comment: Annotated[str, Field(max_length=4_000), BeforeValidator(_readable)] = ""


class Part(BaseModel):
    """A part of a message in OpenAI's shape; only texts are understood."""

    type: str = Field(max_length=100)
    text: Annotated[str, BeforeValidator(_readable)] = ""


def _content(content: Any) -> str:
    return "parts" if isinstance(content, list) else "text"


class ChatMessage(BaseModel):
    """A message in OpenAI's shape."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[
        Annotated[Annotated[str, BeforeValidator(_readable)] | None, Tag("text")]
        | Annotated[list[Part], Field(max_length=1_000), Tag("parts")],
        Discriminator(_content),
    ] = None

    @property
    def text(self) -> str:
        """The text of all parts."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "\n".join(part.text for part in self.content if part.type == "text" and part.text)

    @property
    def unread(self) -> str:
        """The type of the first part that is no text."""
        parts = self.content if isinstance(self.content, list) else []
        return next((part.type for part in parts if part.type != "text"), "")


class StreamOptions(BaseModel):
    """What a stream says beside its text."""

    include_usage: bool = False


class ResponseFormat(BaseModel):
    """In which form an answer is wanted."""

    type: str = Field(max_length=100)


class Chat(BaseModel):
    """A request in OpenAI's shape. Fields that steer a model (temperature …) are taken and ignored; what a caller would
    have to rely on, and does not get, is refused."""

    model_config = ConfigDict(
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"model": "extractive", "messages": [{"role": "user", "content": "Who?"}]}]},
    )

    model: str = Field("", max_length=200)
    messages: list[ChatMessage] = Field(min_length=1, max_length=1_000)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = 1
    response_format: ResponseFormat | None = None
    tool_choice: str | dict[str, Any] | None = None
    function_call: str | dict[str, Any] | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = Field(None, max_length=20)
    filter: Filter | None = Field(None, description="not of OpenAI: as in /ask; the client takes it as `extra_body`")
    k: int | None = Field(None, ge=1, le=100, description="not of OpenAI: passages to find")

    @property
    def refused(self) -> str:
        """What of this request cannot be had, as a sentence; nothing, if all can."""
        if self.n not in (None, 1):
            return "n: there is one answer to a question; leave n out, or send 1"
        if self.response_format is not None and self.response_format.type != "text":
            return f"response_format: answers are texts with citations, no {self.response_format.type!r}; leave it out"
        for name in ("tool_choice", "function_call"):
            if getattr(self, name) not in (None, "none", "auto"):
                return f"{name}: the assistant calls no tools; leave it out, or send 'none' or 'auto'"
        if self.logprobs:
            return "logprobs: answers have no probabilities of their tokens; leave it out, or send false"
        if self.modalities and set(self.modalities) != {"text"}:
            return "modalities: answers are texts; leave it out, or send ['text']"
        return ""
