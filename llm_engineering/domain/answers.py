"""Questions to the assistant, its answers, and the proof that comes with them."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from llm_engineering.domain.access import ALL, Access
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.llms import Message, Usage
from llm_engineering.domain.queries import Hit, Retrieved
from llm_engineering.domain.value import Value

# found: the stored document says it, at the span. misattributed: another retrieved document says it. stitched: parts of
# it stand there, but not together. absent: nowhere in what was retrieved.
Verdict = Literal["found", "misattributed", "stitched", "absent"]
# answered: with support. no_answer: the sources do not say.
Outcome = Literal["answered", "no_answer"]


class Question(Value):
    """What the assistant is asked. `history` are the turns before it, oldest first; `access` is never taken from the
    caller's own words. Of a `whole` answer nobody reads the pieces: what failed half-way can still be replaced."""

    text: str = Field(min_length=1, max_length=20_000)
    history: tuple[Message, ...] = ()
    filter: Condition | None = None
    access: Access = ALL
    k: int | None = Field(None, ge=1, le=100)
    llm: str | None = Field(None, description="one of the configured models; null: the first, or extractive")
    owner: str = Field("local", description="whose the receipt of the answer is; never taken from the caller's words")
    whole: bool = Field(False, description="the answer is read when it is finished, not while it is written")


class Citation(Value):
    """A place that an answer relies on: `[number]` in its text.

    `quote` is what is said to stand at [start, end) of the cleaned document; `verdict`, whether it does.
    """

    number: int = Field(ge=1)
    quote: str
    verdict: Verdict
    document_id: str
    chunk_id: str
    uri: str
    title: str
    source: str
    start: int
    end: int


class Versions(Value):
    """What made an answer: enough to make it again."""

    collection: str = ""
    index: str = ""
    embedder: str = ""
    llm: str = ""
    prompt: str = ""
    prompt_hash: str = ""


class Answer(Value):
    """An answer, what it relies on, and what it took.

    `flags` name what a reader should know: `injection:CHUNK` for a passage that gives orders, `unsupported` for a text
    without a single verified citation, `cut` for one that reached its limit of tokens, `llm_failed` for quotes in place
    of a model's words, `leak` where parts of the prompt were taken out of the text, `no_receipt` if none could be kept.
    `unknown_field` where the filter names a field that no document has, which `warnings` say more of. `seconds` holds
    the time of each stage.
    """

    id: str
    question: str
    text: str
    outcome: Outcome
    citations: tuple[Citation, ...] = ()
    confidence: float | None = None
    flags: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    versions: Versions = Versions()
    usage: Usage = Usage()
    seconds: dict[str, float] = Field(default_factory=dict)
    cached: bool = False


class Receipt(Value):
    """What is kept with an answer so that it can be proved and repeated: hits by id and score, never their texts.

    `vectors` are those of what was searched for, by its wordings: float32, little-endian, base64.
    """

    answer: Answer
    access: Access = ALL
    filter: Condition | None = None
    retrieval: dict[str, Any] = Field(default_factory=dict)
    hits: tuple[tuple[str, float], ...] = ()
    query: str = ""
    vectors: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sources:
    """The first event of an answer: what was found."""

    answer_id: str
    retrieved: Retrieved


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event: the answer as a whole, which counts; and the hits that it was made from."""

    answer: Answer
    hits: tuple[Hit, ...] = ()

    @property
    def documents(self) -> frozenset[str]:
        """The documents that were found for it, cited or not: when one is erased, what was kept of the answer goes."""
        cited = {citation.document_id for citation in self.answer.citations}
        return frozenset(cited | {hit.document_id for hit in self.hits})


@dataclass(frozen=True, slots=True)
class Broken:
    """The last event when no answer came about: a stable code and a sentence for a person.

    `timeout`: the time for the whole answer is over. `unavailable`: the index failed. `llm_failed`: the model failed,
    or failed midway. `budget`: the model's budget is spent. `internal`: a fault of this program.
    """

    answer_id: str
    reason: str
    detail: str


AnswerEvent = Sources | Piece | Finished | Broken


class Turn(Value):
    """A question in a conversation and what was answered."""

    question: str
    answer_id: str
    answer: str
    at: str


class Conversation(Value):
    """A conversation of one owner. Nobody else can read it."""

    id: str
    owner: str
    title: str = ""
    created_at: str
    updated_at: str
    turns: tuple[Turn, ...] = ()


class Feedback(Value):
    """What somebody thought of an answer."""

    answer_id: str
    owner: str
    rating: Literal["up", "down"]
    comment: str = Field("", max_length=4_000)
    at: str = ""
