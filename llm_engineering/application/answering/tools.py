"""What every answer of an assistant is made with."""

from dataclasses import dataclass, field
from typing import Any

from llm_engineering.application.answering.prompt_passages import Count, estimated_tokens
from llm_engineering.application.answering.prompting import Prompt
from llm_engineering.application.answering.settings import Answering
from llm_engineering.domain.ports import AssistantState, Searcher


@dataclass(frozen=True)
class Tools:
    """What answers are made with. `retrieval` are the settings that receipts keep; `count` counts the tokens of a
    text for models that cannot do so themselves."""

    searcher: Searcher
    settings: Answering
    prompt: Prompt
    condense: Prompt
    state: AssistantState | None = None
    collection: str = ""
    retrieval: dict[str, Any] = field(default_factory=dict)
    count: Count = estimated_tokens
